"""OpenVINO's C interface, as far as running a model goes.

Through its Python binding an inference takes a dozen microseconds longer, most of them for a dictionary of outputs that
are bound already: a tenth of a small model. The library comes with the Python package, and drives the same plugins.
"""

from __future__ import annotations

import ctypes as c
import functools
import importlib.util
import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import numpy as np

from edgevision.errors import BackendUnavailableError
from edgevision.optional import require
from edgevision.tensors import Array

INSTALL = "pip install --force-reinstall openvino"
"""What brings the library: it is in the wheel."""

_Handle = c.c_void_p
_Made = c.POINTER(c.c_void_p)


class _Shape(c.Structure):
    _fields_ = (("rank", c.c_int64), ("dims", c.POINTER(c.c_int64)))


class _Interval(c.Structure):
    _fields_ = (("low", c.c_int64), ("high", c.c_int64))


class _PartialShape(c.Structure):
    _fields_ = (("rank", _Interval), ("dims", c.POINTER(_Interval)))


_CALLS: Mapping[str, tuple[Any, ...]] = {
    "ov_core_create": (_Made,),
    "ov_core_read_model": (_Handle, c.c_char_p, c.c_char_p, _Made),
    "ov_core_compile_model": (_Handle, _Handle, c.c_char_p, c.c_size_t, _Made),  # and names and values of settings
    "ov_model_reshape_by_port_indexes": (_Handle, c.POINTER(c.c_size_t), c.POINTER(_PartialShape), c.c_size_t),
    "ov_compiled_model_get_property": (_Handle, c.c_char_p, c.POINTER(c.c_char_p)),
    "ov_compiled_model_create_infer_request": (_Handle, _Made),
    "ov_infer_request_get_input_tensor_by_index": (_Handle, c.c_size_t, _Made),
    "ov_infer_request_get_output_tensor_by_index": (_Handle, c.c_size_t, _Made),
    "ov_infer_request_set_input_tensor_by_index": (_Handle, c.c_size_t, _Handle),
    "ov_infer_request_set_output_tensor_by_index": (_Handle, c.c_size_t, _Handle),
    "ov_infer_request_infer": (_Handle,),
    "ov_infer_request_start_async": (_Handle,),
    "ov_infer_request_wait": (_Handle,),
    "ov_tensor_create_from_host_ptr": (c.c_int, _Shape, c.c_void_p, _Made),
    "ov_tensor_get_element_type": (_Handle, c.POINTER(c.c_int)),
    "ov_tensor_get_shape": (_Handle, c.POINTER(_Shape)),
    "ov_tensor_data": (_Handle, c.POINTER(c.c_void_p)),
    "ov_shape_free": (c.POINTER(_Shape),),
}
"""Function -> types of its arguments; all of these return a status, 0 for success."""
_INVALID_C_PARAM, _UNKNOWN_EXCEPTION = -14, -17
_FREED = ("ov_core_free", "ov_model_free", "ov_compiled_model_free", "ov_infer_request_free", "ov_tensor_free")


class Compiled:
    """A model, read from its file and compiled for a device; freed with the last reference to it."""

    def __init__(
        self, file: Path, target: str, settings: Mapping[str, Any], shapes: Mapping[int, Sequence[int]]
    ) -> None:
        """Read, reshape and compile.

        Args:
            file: IR (.xml) or ONNX.
            target: OpenVINO's name of a device.
            settings: Its properties.
            shapes: Position of an input -> the shape that it gets; others keep theirs.

        Raises:
            RuntimeError: OpenVINO refuses the file, a shape, or a property.
            BackendUnavailableError: There is no C library.
        """
        self._handle = _Handle()
        with (
            _Owned("ov_core_free", "ov_core_create") as core,
            _Owned("ov_model_free", "ov_core_read_model", core, os.fsencode(file), None) as model,
        ):
            if shapes:
                places = (c.c_size_t * len(shapes))(*shapes)
                _call("ov_model_reshape_by_port_indexes", model, places, _partial(shapes.values()), len(shapes))
            words = [c.c_char_p(os.fsencode(_word(part))) for pair in settings.items() for part in pair]
            made = c.byref(self._handle)
            _call("ov_core_compile_model", core, model, os.fsencode(target), len(words), made, *words)
        _freed_with(self, "ov_compiled_model_free", self._handle)

    def get_property(self, name: str) -> str:
        """Return a property in OpenVINO's words; RuntimeError where the device does not have it."""
        value = c.c_char_p()
        _call("ov_compiled_model_get_property", self._handle, os.fsencode(name), c.byref(value))
        try:
            return (value.value or b"").decode()
        finally:
            _library().ov_free(value)

    def request(self) -> Request:
        """Return a new request, which keeps what it needs of the compiled model."""
        handle = _Handle()
        _call("ov_compiled_model_create_infer_request", self._handle, c.byref(handle))
        return Request(handle)


class Request:
    """One inference at a time, on tensors that are bound to arrays."""

    def __init__(self, handle: c.c_void_p) -> None:
        """Take over a handle."""
        self._handle: c.c_void_p | None = handle
        library = _library()
        self._infer, self._start = library.ov_infer_request_infer, library.ov_infer_request_start_async
        self._wait = library.ov_infer_request_wait
        self._free = _freed_with(self, "ov_infer_request_free", handle)

    def bind(self, side: str, position: int, array: Array) -> None:
        """Let the ``input`` or ``output`` at a position be a contiguous array, which must live as long as this."""
        kind = c.c_int()
        with _Owned("ov_tensor_free", f"ov_infer_request_get_{side}_tensor_by_index", self._handle, position) as own:
            _call("ov_tensor_get_element_type", own, c.byref(kind))
        shape = _Shape(array.ndim, (c.c_int64 * array.ndim)(*array.shape))
        with _Owned("ov_tensor_free", "ov_tensor_create_from_host_ptr", kind, shape, array.ctypes.data) as tensor:
            _call(f"ov_infer_request_set_{side}_tensor_by_index", self._handle, position, tensor)

    def output(self, position: int, dtype: str) -> Array:
        """Return a copy of an output that is not bound, of the shape that the last inference gave it."""
        shape, data = _Shape(), c.c_void_p()
        with _Owned("ov_tensor_free", "ov_infer_request_get_output_tensor_by_index", self._handle, position) as tensor:
            _call("ov_tensor_get_shape", tensor, c.byref(shape))
            sizes = tuple(shape.dims[: shape.rank])
            _call("ov_shape_free", c.byref(shape))
            array = np.empty(sizes, dtype)
            if array.size:
                _call("ov_tensor_data", tensor, c.byref(data))
                c.memmove(array.ctypes.data, data, array.nbytes)
            return array

    def infer(self) -> None:
        """Run once; RuntimeError where that fails."""
        if status := self._infer(self._handle):
            raise _failure(status)

    def start_async(self) -> None:
        """Begin an inference, which `wait` ends."""
        if status := self._start(self._handle):
            raise _failure(status)

    def wait(self) -> None:
        """Wait until it is done."""
        if status := self._wait(self._handle):
            raise _failure(status)

    def close(self) -> None:
        """Let go of it; every call fails from now on."""
        self._handle = None
        self._free()


class _Owned:
    """A handle that lives for a block."""

    def __init__(self, free: str, make: str, *arguments: Any) -> None:
        self._free, self._handle = free, _Handle()
        _call(make, *arguments, c.byref(self._handle))

    def __enter__(self) -> c.c_void_p:
        return self._handle

    def __exit__(self, *_: object) -> None:
        getattr(_library(), self._free)(self._handle)


def _freed_with(owner: Any, free: str, handle: c.c_void_p) -> Any:
    """Free a handle with its owner, but not when the process ends: a thread may be within an inference then."""
    finalizer = weakref.finalize(owner, getattr(_library(), free), handle)
    finalizer.atexit = False
    return finalizer


def library_file() -> str | None:
    """Return the library that belongs to the Python package, or else the system's; None where there is neither."""
    package = importlib.util.find_spec("openvino")
    folder = Path(package.origin).parent / "libs" if package and package.origin else Path()
    beside = sorted(str(file) for file in (*folder.glob("libopenvino_c.*"), *folder.glob("openvino_c.dll")))
    return beside[0] if beside else find_library("openvino_c")


class _Text(c.c_char_p):
    """A text that is the caller's to free: ctypes would turn a plain c_char_p into bytes, and lose its place."""


@functools.cache
def _library() -> Any:
    require("openvino")  # loads what the library needs
    name = library_file()
    if name is None:
        raise BackendUnavailableError("openvino has no libopenvino_c beside it", next_step=INSTALL)
    try:
        library = c.CDLL(name)
        for call, arguments in _CALLS.items():
            function = getattr(library, call)
            function.argtypes, function.restype = arguments, c.c_int
        for call in _FREED:
            getattr(library, call).argtypes, getattr(library, call).restype = (_Handle,), None
        library.ov_free.argtypes, library.ov_free.restype = (c.c_char_p,), None
    except (OSError, AttributeError) as exc:
        raise BackendUnavailableError(f"{name} does not load", got=str(exc), next_step=INSTALL) from exc
    library.ov_get_error_info.argtypes, library.ov_get_error_info.restype = (c.c_int,), c.c_char_p
    library.ov_get_last_err_msg.argtypes, library.ov_get_last_err_msg.restype = (), _Text
    return library


def _call(name: str, *arguments: Any) -> None:
    if status := getattr(_library(), name)(*arguments):
        raise _failure(status)


def _failure(status: int) -> RuntimeError:
    """What the library says of a status; of those that its C layer raises itself, it has no message of their own."""
    library = _library()
    known = b""
    if status > _INVALID_C_PARAM or status == _UNKNOWN_EXCEPTION:
        text = library.ov_get_last_err_msg()
        known = text.value or b""
        library.ov_free(text)
    return RuntimeError((known or library.ov_get_error_info(status) or b"unknown").decode(errors="replace").strip())


def _word(value: Any) -> str:
    return ("NO", "YES")[value] if isinstance(value, bool) else str(value)


def _partial(shapes: Iterable[Sequence[int]]) -> Any:
    """Return shapes as the library takes them, every axis of one length alone."""
    made = [
        _PartialShape(_Interval(len(shape), len(shape)), (_Interval * len(shape))(*(_Interval(n, n) for n in shape)))
        for shape in shapes
    ]
    return (_PartialShape * len(made))(*made)
