"""A model in a process of its own: a library that crashes there, hangs or takes all memory takes nothing else with it.

Stored tensors go to it and back through shared memory (memfd_create(2)) that has no name, so that it is gone with the
last process that has it, however that ends. A socket carries the rest: a line of JSON with the request, one with the
specifications and the memory's descriptor, then for each inference a byte there and a line back.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np

from edgevision.artifact import Artifact
from edgevision.errors import ArtifactError, EdgeVisionError, InferenceError, WorkerDiedError, reason_of
from edgevision.processes import (
    WITHOUT_FOLDER,
    death,
    error_told,
    model_request,
    requested_artifact,
    serve_only,
    told_error,
)
from edgevision.runtimes.base import CompiledModel, load
from edgevision.secret import environment
from edgevision.tensors import Array, TensorSpec

ALIGNMENT = 64
GONE_S = 2.0
"""A process that was killed is gone within so many seconds, unless it waits in the kernel for hardware."""
_RUN, _DONE = b"\n", b"{}\n"
_COMMAND = f"{WITHOUT_FOLDER}; from edgevision.runtimes.isolated import main; main()"
_KILLED = "killed: by the kernel where memory ran out (see dmesg), or by somebody"

_STARTERS: dict[int, ThreadPoolExecutor] = {}
"""Process id -> the thread there that starts all others. The kernel ends a process with the thread that started it, and
who loads a model in a thread of a moment wants to keep the model."""


def _start(theirs: socket.socket) -> subprocess.Popen[bytes]:
    with theirs:
        return subprocess.Popen(
            [sys.executable, "-c", _COMMAND, str(theirs.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True,
            env=environment(),
        )  # fmt: skip


class ModelProcess:
    """A process that loads a model and runs it. One thread at a time uses it; it dies with this process.

    Attributes:
        pid: Its process id.
        inputs: As `CompiledModel` has them; empty until it is `ready`.
        outputs: Likewise.
        facts: Likewise.
    """

    def __init__(
        self,
        artifact: Artifact,
        device: str = "cpu",
        *,
        runtime: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Start it; returns at once. Arguments are those of `edgevision.runtimes.load`.

        Raises:
            WorkerDiedError: The system starts no process: no memory, or too many of them.
        """
        self.inputs: tuple[TensorSpec, ...] = ()
        self.outputs: tuple[TensorSpec, ...] = ()
        self.facts: Mapping[str, Any] = {}
        self._memory: _Memory | None = None
        self._received = b""
        self._socket, theirs = socket.socketpair()
        starter = _STARTERS.setdefault(os.getpid(), ThreadPoolExecutor(1, thread_name_prefix="starts models"))
        try:
            self._process = starter.submit(_start, theirs).result()
        except OSError as exc:
            self._socket.close()
            raise WorkerDiedError(f"the model's process cannot be started: {reason_of(exc)}") from exc
        self.pid = self._process.pid
        self._arrived = select.poll()
        self._arrived.register(self._socket, select.POLLIN)
        request = {**model_request(artifact, runtime, device, options), "sha256": artifact.sha256}
        try:
            self._socket.sendall(json.dumps(request, default=str).encode() + b"\n")
        except OSError:  # it is dead already, which `ready` tells
            return

    @property
    def ended(self) -> str:
        """How it ended; '' while it lives."""
        status = self._process.poll()
        if status is None:
            return ""
        return _KILLED if status == -signal.SIGKILL else f"died: {death(status)}"

    def ready(self, timeout_s: float = 0.0) -> bool:
        """Return whether it has loaded the model and run it once, waiting up to ``timeout_s`` for that.

        Raises:
            EdgeVisionError: What loading raised there; WorkerDiedError where the process died of it.
        """
        if self.facts:
            return True
        answer = self._answer(timeout_s)
        if answer is None:
            return False
        self.inputs, self.outputs = (tuple(map(TensorSpec.from_dict, answer[key])) for key in ("inputs", "outputs"))
        self.facts = answer["facts"]
        return True

    def infer(self, inputs: Sequence[Array], timeout_s: float) -> tuple[Array, ...]:
        """Run the model once; arguments and result as `CompiledModel.infer`, which has checked them.

        Raises:
            WorkerDiedError: It is dead, or did not answer within ``timeout_s`` and was killed.
            EdgeVisionError: What the runtime raised.
        """
        if self._memory is None:
            raise WorkerDiedError(f"the model's process has {self.ended or 'not loaded it yet'}")
        self._memory.write(0, inputs)
        try:
            self._socket.sendall(_RUN)
        except OSError as exc:
            raise self._dead() from exc
        answer = self._answer(timeout_s)
        if answer is None:
            self.close()
            raise WorkerDiedError(
                f"the model's process did not answer within {timeout_s:g} s, and was killed",
                next_step="if the model takes that long, raise answer_s",
            )
        shapes = answer.get("shapes") or [spec.shape for spec in self.outputs]
        dtypes = [spec.dtype for spec in self.outputs]
        return self._memory.read(_end(self.inputs), list(zip(shapes, dtypes, strict=True)))

    def close(self) -> None:
        """End it, whatever it does; any number of times. One that a driver holds fast is left behind."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GONE_S)
        self._socket.close()
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()

    def _answer(self, timeout_s: float) -> Any:
        """Return the next line of it, and take over the memory that came with it; None where none came in time."""
        end = time.monotonic() + timeout_s
        while b"\n" not in self._received:
            try:
                if not self._arrived.poll(max(0.0, end - time.monotonic()) * 1e3):
                    return None
                received, descriptors, _, _ = socket.recv_fds(self._socket, 1 << 16, 1)
            except OSError as exc:
                raise self._dead() from exc
            for descriptor in descriptors:
                if self._memory is not None:
                    self._memory.close()
                self._memory = _Memory(descriptor)
            if not received:
                raise self._dead()
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise error_told(answer)
        return answer

    def _dead(self) -> WorkerDiedError:
        with suppress(subprocess.TimeoutExpired):  # its socket is closed, so it is about to end
            self._process.wait(GONE_S)
        ended = self.ended or "closed its connection"
        self.close()
        return WorkerDiedError(f"the model's process {'was' if ended == _KILLED else 'has'} {ended}")


class _Memory:
    """Shared memory by its descriptor, which it owns."""

    def __init__(self, descriptor: int) -> None:
        self.size = os.fstat(descriptor).st_size
        self._map = mmap.mmap(descriptor, self.size)
        os.close(descriptor)

    def write(self, place: int, arrays: Sequence[Array]) -> None:
        for array in arrays:
            target = np.frombuffer(self._map, array.dtype, array.size, place).reshape(array.shape)
            target[...] = array
            place += _room(array.nbytes)

    def read(self, place: int, what: Sequence[tuple[Sequence[int], str]]) -> tuple[Array, ...]:
        """Return fresh arrays of these shapes and dtypes."""
        found = []
        for view in self.views(place, what):
            found.append(view.copy())
        return tuple(found)

    def views(self, place: int, what: Sequence[tuple[Sequence[int], str]]) -> list[Array]:
        made = []
        for shape, dtype in what:
            count = math.prod(shape)
            made.append(np.frombuffer(self._map, dtype, count, place).reshape(shape))
            place += _room(count * np.dtype(dtype).itemsize)
        return made

    def close(self) -> None:
        try:
            self._map.close()
        except BufferError:  # a view of it is still somewhere: it goes with that
            return


def _room(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _end(specs: Sequence[TensorSpec]) -> int:
    """Bytes of tensors one after the other, each at a multiple of `ALIGNMENT`; open dimensions count as one."""
    return sum(_room(math.prod(size or 1 for size in spec.shape) * np.dtype(spec.dtype).itemsize) for spec in specs)


def main() -> None:
    """Be the process: load what is asked for, and run it until whoever asked is gone."""
    serve_only(int(sys.argv[2]))
    connection = socket.socket(fileno=int(sys.argv[1]))
    with connection.makefile("rb") as lines:
        request = json.loads(lines.readline())
    try:
        serving = _Serving(connection, request)
    except EdgeVisionError as exc:
        connection.sendall(json.dumps(told_error(exc)).encode() + b"\n")
        os._exit(1)
    while connection.recv(1):
        serving.run()
    os._exit(0)  # some libraries crash while they are torn down, and nothing here is left to save


class _Serving:
    """The model in the process that runs it."""

    def __init__(self, connection: socket.socket, request: Mapping[str, Any]) -> None:
        artifact = requested_artifact(request)
        if not artifact.bare and Artifact.open(artifact.path).sha256 != request["sha256"]:
            raise ArtifactError(f"{artifact.path} is another model than the one that was loaded before")
        self._connection = connection
        self._model: CompiledModel = load(
            artifact, request["device"], runtime=request["runtime"], options=request["options"]
        )
        zeros = [np.zeros(_closed(spec), spec.dtype) for spec in self._model.inputs]
        outputs = self._model.infer(zeros)  # what a first inference compiles is done before anybody waits for it
        self._begin = _end(self._model.inputs)
        facts = {"pid": os.getpid(), **self._model.facts}
        specs = {key: [spec.to_dict() for spec in getattr(self._model, key)] for key in ("inputs", "outputs")}
        self._memory = self._share({**specs, "facts": facts}, outputs)
        self._views = self._memory.views(0, [(_closed(spec), spec.dtype) for spec in self._model.inputs])

    def run(self) -> None:
        """Answer one request."""
        try:
            outputs = self._model.infer(self._views)
        except EdgeVisionError as exc:
            self._connection.sendall(json.dumps(told_error(exc)).encode() + b"\n")
            return
        shapes = [output.shape for output in outputs]
        told = {} if shapes == [spec.shape for spec in self._model.outputs] else {"shapes": shapes}
        if self._needs(outputs) > self._memory.size:
            self._memory = self._share(told, outputs)
            self._views = self._memory.views(0, [(_closed(spec), spec.dtype) for spec in self._model.inputs])
            return
        self._memory.write(self._begin, outputs)
        self._connection.sendall(json.dumps(told).encode() + b"\n" if told else _DONE)

    def _needs(self, outputs: Sequence[Array]) -> int:
        return self._begin + sum(_room(output.nbytes) for output in outputs)

    def _share(self, told: Mapping[str, Any], outputs: Sequence[Array]) -> _Memory:
        """Make memory for these outputs, put them there, and pass it on with a line."""
        descriptor = os.memfd_create("edgevision-tensors")
        os.ftruncate(descriptor, max(self._needs(outputs), ALIGNMENT))
        memory = _Memory(os.dup(descriptor))
        memory.write(self._begin, outputs)
        line = json.dumps(told, default=str).encode() + b"\n"
        sent = socket.send_fds(self._connection, [line], [descriptor])
        self._connection.sendall(line[sent:])
        os.close(descriptor)
        return memory


def _closed(spec: TensorSpec) -> tuple[int, ...]:
    """The shape of an input, which has no open dimension once it is loaded."""
    if None in spec.shape:
        raise InferenceError(f"input {spec.name} has an open dimension", got=spec.shape)
    return tuple(size or 0 for size in spec.shape)


def start_isolated(
    artifact: Artifact,
    device: str = "cpu",
    *,
    runtime: str | None = None,
    options: Mapping[str, Any] | None = None,
    timeout_s: float,
) -> ModelProcess:
    """Start a `ModelProcess` and wait until it is ready.

    Raises:
        EdgeVisionError: It does not load; WorkerDiedError where the process died, or took longer than ``timeout_s``.
    """
    process = ModelProcess(artifact, device, runtime=runtime, options=options)
    try:
        if not process.ready(timeout_s):
            raise WorkerDiedError(f"the model's process has not loaded it within {timeout_s:g} s")
    except BaseException:
        process.close()
        raise
    return process
