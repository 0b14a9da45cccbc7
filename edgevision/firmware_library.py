"""Generated firmware on the machine that generated it: built with the host's compiler, called through ctypes.

Building and running an artifact's C code is running a program: do it with artifacts that you would run programs from.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgevision.errors import BackendUnavailableError, IncompatibleModelError, InferenceError
from edgevision.tensors import Array

FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_TIMEOUT_S = 300


def host_compiler() -> tuple[str, ...] | None:
    """Return the command of a C compiler: that of ``$CC``, else cc, gcc or clang; None when there is none."""
    stated = shlex.split(os.environ.get("CC", ""))
    if stated and shutil.which(stated[0]):
        return tuple(stated)
    return next(((name,) for name in ("cc", "gcc", "clang") if shutil.which(name)), None)


def run_compiler(command: Sequence[str], what: str) -> str:
    """Run a compiler and return what it prints; raises IncompatibleModelError when it fails, ``what`` in the text."""
    try:
        done = subprocess.run(
            [*command], capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise IncompatibleModelError(f"{what}: {command[0]} failed: {exc}") from exc
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["?"]
        raise IncompatibleModelError(f"{what} does not compile", got=lines[0][:200])
    return done.stdout


class FirmwareLibrary:
    """A model's generated C, ready to run; not for several threads at a time.

    Attributes:
        compiler: What built it.
    """

    def __init__(
        self, source: Path, name: str, arena_bytes: int, inputs: Sequence[int], outputs: Sequence[int]
    ) -> None:
        """Build and load it.

        Args:
            source: ``<name>.c``, its header beside it.
            name: Prefix of its functions.
            arena_bytes: Size of its arena.
            inputs: Bytes of each input.
            outputs: Bytes of each output.

        Raises:
            BackendUnavailableError: There is no C compiler.
            IncompatibleModelError: It does not compile, or is not what ``name`` says.
        """
        compiler = host_compiler()
        if compiler is None:
            raise BackendUnavailableError(
                "there is no C compiler here to build firmware with", next_step="install gcc or clang, or set CC"
            )
        self.compiler = " ".join(compiler)
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        with tempfile.TemporaryDirectory(prefix="edgevision-firmware-") as folder:
            target = Path(folder) / f"{name}.so"
            command = [*compiler, *FLAGS, "-shared", "-fPIC", "-o", str(target), str(source)]
            run_compiler(command, source.name)
            try:
                library = ctypes.CDLL(str(target))
                functions = [getattr(library, f"{name}_{function}") for function in ("init", "input", "output", "run")]
            except (OSError, AttributeError) as exc:
                raise IncompatibleModelError(f"{source.name}: not firmware of the name {name}") from exc
        initialise, self._input, self._output, self._run = functions
        self._input.restype = self._output.restype = ctypes.c_void_p
        self._input.argtypes = self._output.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        self._arena = np.zeros(arena_bytes // 8 + 1, np.int64)
        self._context = (ctypes.c_void_p * 1)()
        arena = ctypes.c_void_p(self._arena.ctypes.data)
        status = initialise(self._context, arena, ctypes.c_size_t(arena_bytes))
        if status:
            raise IncompatibleModelError(
                f"{source.name}: {name}_init refuses {arena_bytes} bytes", got=f"status {status}"
            )

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Return the outputs, int8 (bytes,) each, for int8 inputs of the sizes that the library was told.

        Raises:
            InferenceError: An input of another size, or a status that is not 0.
        """
        for index, (array, size) in enumerate(zip(inputs, self._inputs, strict=True)):
            if array.nbytes != size:
                raise InferenceError(f"firmware input {index}", got=f"{array.nbytes} bytes", allowed=f"{size}")
            stored = np.ascontiguousarray(array)
            ctypes.memmove(self._input(self._context, index), stored.ctypes.data, size)
        status = self._run(self._context)
        if status:
            raise InferenceError("firmware failed", got=f"status {status}")
        found = []
        for index, size in enumerate(self._outputs):
            result = np.empty(size, np.int8)
            ctypes.memmove(result.ctypes.data, self._output(self._context, index), size)
            found.append(result)
        return found
