"""The CUDA runtime library through ctypes: page-locked and device memory, streams, copies, and which GPU this is.

Twelve functions are called, whose C signatures are the same from CUDA 11 to 13. The package cuda-python has them too,
but has to be of the installed CUDA's major version, is on no Jetson image, and would be one more thing to install.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.errors import BackendUnavailableError, DeviceNotFoundError, EdgeVisionError, InferenceError
from edgevision.tensors import Array

_SONAMES = tuple(f"libcudart.so.{number}" for number in ("13", "12", "11.0"))
_MAJOR, _MINOR, _MULTIPROCESSORS = 75, 76, 16
"""Of ``cudaDeviceAttr``: compute capability, and streaming multiprocessors."""
_TO_DEVICE, _TO_HOST = 1, 2
"""Of ``cudaMemcpyKind``."""
_NON_BLOCKING = 1
_PROPERTIES_BYTES, _NAME_BYTES = 1 << 14, 256
"""Room for any version's ``cudaDeviceProp``, and its first field, the name."""
_POINTER, _COUNT = ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cudaGetDeviceCount": (_COUNT,),
    "cudaSetDevice": (ctypes.c_int,),
    "cudaDeviceGetAttribute": (_COUNT, ctypes.c_int, ctypes.c_int),
    "cudaGetDeviceProperties": (_POINTER, ctypes.c_int),
    "cudaMalloc": (ctypes.POINTER(_POINTER), ctypes.c_size_t),
    "cudaFree": (_POINTER,),
    "cudaHostAlloc": (ctypes.POINTER(_POINTER), ctypes.c_size_t, ctypes.c_uint),
    "cudaFreeHost": (_POINTER,),
    "cudaStreamCreateWithFlags": (ctypes.POINTER(_POINTER), ctypes.c_uint),
    "cudaStreamDestroy": (_POINTER,),
    "cudaStreamSynchronize": (_POINTER,),
    "cudaMemcpyAsync": (_POINTER, _POINTER, ctypes.c_size_t, ctypes.c_int, _POINTER),
}


class Cuda:
    """One GPU, by the CUDA runtime library."""

    def __init__(self, device: int = 0, library: str | None = None) -> None:
        """Load the library and choose a GPU.

        Args:
            device: Number of the GPU, from 0.
            library: Path of libcudart; None to look for it.

        Raises:
            BackendUnavailableError: The library is not here, does not load, or its driver does not answer.
            DeviceNotFoundError: There is no such GPU.
        """
        self._library = _load(library)
        self.device = device
        count = ctypes.c_int()
        try:
            self._call("cudaGetDeviceCount", ctypes.byref(count))
        except InferenceError as exc:
            raise BackendUnavailableError(
                f"no GPU answers: {exc.what}",
                next_step="look at the driver: nvidia-smi, on a Jetson dmesg; in a container: --runtime nvidia",
            ) from exc
        if not 0 <= device < count.value:
            numbers = [f"gpu:{index}" for index in range(count.value)]
            raise DeviceNotFoundError("no such GPU", got=f"gpu:{device}", allowed=numbers or "none is here")
        self.select()

    def select(self) -> None:
        """Make this thread's calls be for this GPU."""
        self._call("cudaSetDevice", self.device)

    @property
    def name(self) -> str:
        """What NVIDIA calls the GPU."""
        properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        self._call("cudaGetDeviceProperties", properties, self.device)
        return properties.raw[:_NAME_BYTES].split(b"\0")[0].decode("utf-8", "replace")

    @property
    def compute_capability(self) -> str:
        """Such as "8.7"."""
        return f"{self._attribute(_MAJOR)}.{self._attribute(_MINOR)}"

    @property
    def multiprocessors(self) -> int:
        """How many streaming multiprocessors it has: what tells an Orin Nano from an AGX Orin."""
        return self._attribute(_MULTIPROCESSORS)

    def allocate(self, size_bytes: int) -> int:
        """Return the address of new memory of the GPU."""
        return self._new("cudaMalloc", ctypes.c_size_t(max(size_bytes, 1)))

    def free(self, address: int) -> None:
        """Give memory of `allocate` back."""
        self._call("cudaFree", address)

    def allocate_pinned(self, size_bytes: int) -> int:
        """Return the address of new page-locked memory of the host, which copies need no staging for."""
        return self._new("cudaHostAlloc", ctypes.c_size_t(max(size_bytes, 1)), 0)

    def free_pinned(self, address: int) -> None:
        """Give memory of `allocate_pinned` back."""
        self._call("cudaFreeHost", address)

    def stream(self) -> int:
        """Return a new stream that does not wait for the default one."""
        return self._new("cudaStreamCreateWithFlags", _NON_BLOCKING)

    def destroy_stream(self, stream: int) -> None:
        """Give a stream back."""
        self._call("cudaStreamDestroy", stream)

    def synchronize(self, stream: int) -> None:
        """Wait until everything in the stream is done."""
        self._call("cudaStreamSynchronize", stream)

    def copy_to_device(self, device: int, host: int, size_bytes: int, stream: int) -> None:
        """Enqueue a copy from the host's memory."""
        self._call("cudaMemcpyAsync", device, host, size_bytes, _TO_DEVICE, stream)

    def copy_to_host(self, host: int, device: int, size_bytes: int, stream: int) -> None:
        """Enqueue a copy into the host's memory."""
        self._call("cudaMemcpyAsync", host, device, size_bytes, _TO_HOST, stream)

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._call("cudaDeviceGetAttribute", ctypes.byref(value), number, self.device)
        return value.value

    def _new(self, function: str, *arguments: Any) -> int:
        made = ctypes.c_void_p()
        self._call(function, ctypes.byref(made), *arguments)
        return made.value or 0

    def _call(self, function: str, *arguments: Any) -> None:
        """Call the library; raise InferenceError with what it says where the status is not 0."""
        status = getattr(self._library, function)(*arguments)
        if status:
            text = self._library.cudaGetErrorString(status) or b"no text"
            raise InferenceError(
                f"{function} failed with status {status}: {text.decode('utf-8', 'replace')}",
                next_step="load the model again; if that fails too, look at dmesg and start the process anew",
            )


class PinnedBuffer:
    """One tensor: a page-locked array of the host, and as many bytes of the GPU's memory.

    Attributes:
        array: The host's side, as an array of the tensor's dtype and shape.
        device: Address of the GPU's side.
    """

    def __init__(self, cuda: Cuda, shape: tuple[int, ...], dtype: str) -> None:
        """Allocate both sides; nothing stays allocated where one fails."""
        self._cuda = cuda
        self.bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        self._host = cuda.allocate_pinned(self.bytes)
        try:
            self.device = cuda.allocate(self.bytes)
        except EdgeVisionError:
            cuda.free_pinned(self._host)
            raise
        memory = (ctypes.c_uint8 * self.bytes).from_address(self._host)
        self.array: Array = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)

    def send(self, stream: int) -> None:
        """Enqueue the copy of the host's side to the GPU."""
        self._cuda.copy_to_device(self.device, self._host, self.bytes, stream)

    def fetch(self, stream: int) -> None:
        """Enqueue the copy of the GPU's side to the host."""
        self._cuda.copy_to_host(self._host, self.device, self.bytes, stream)

    def free(self) -> None:
        """Give both sides back; the array must not be used any more."""
        self.array = np.empty(0)
        self._cuda.free(self.device)
        self._cuda.free_pinned(self._host)


def _load(path: str | None) -> ctypes.CDLL:
    tried = [path] if path is not None else list(_places())
    for place in tried:
        with suppress(OSError):
            return _declared(ctypes.CDLL(place))
    raise BackendUnavailableError(
        "the CUDA runtime library (libcudart) is not here, or does not load", got=", ".join(tried[:4]),
        next_step="on a Jetson: sudo apt install nvidia-jetpack; elsewhere: pip install tensorrt brings it",
    )  # fmt: skip


def _places() -> Iterator[str]:
    """Yield where the library may be: as the system finds it, in /usr/local/cuda, in wheels of NVIDIA."""
    found = ctypes.util.find_library("cudart")
    if found:
        yield found
    yield from _SONAMES
    yield "/usr/local/cuda/lib64/libcudart.so"
    for folder in sys.path:
        with suppress(OSError):
            yield from map(str, sorted(Path(folder).glob("nvidia/*/lib/libcudart.so.*"), reverse=True))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, arguments in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError as exc:
            raise OSError(f"no {name}") from exc
        function.argtypes, function.restype = arguments, ctypes.c_int
    library.cudaGetErrorString.argtypes, library.cudaGetErrorString.restype = (ctypes.c_int,), ctypes.c_char_p
    return library
