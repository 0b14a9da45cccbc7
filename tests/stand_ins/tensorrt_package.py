"""Stands in for NVIDIA's package ``tensorrt``: it notes what it is told, and computes nothing of a network.

It is for tests of what edgevision says to the library; that TensorRT does what is then asked of it is for
tests/hardware. Its names are those that the real bindings of 8.6.1, 10.16.1 and 11.4.0 have.
"""

import ctypes
import enum
import json

import numpy as np

__version__ = "10.3.0"
NOTES: dict = {}
"""What was said since the test began."""
TENSORS = [("left", "INPUT", (1, 3)), ("right", "INPUT", (1, 2, 2, 1)), ("lowered", "OUTPUT", (1, 2, 2, 1)),
           ("doubled", "OUTPUT", (1, 3))]  # fmt: skip
"""Of every engine; the outputs are not in the manifest's order."""
DLA_CORES = 2
SAYS: dict = {}
"""What it answers where a test wants another answer: parse_errors, build, timing_cache_fits, start."""


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class _Names(enum.Enum):
    @classmethod
    def _missing_(cls, value):
        raise ValueError(value)


DataType = _Names("DataType", ["FLOAT", "HALF", "INT8"])
TensorIOMode = _Names("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
DeviceType = _Names("DeviceType", ["GPU", "DLA"])
MemoryPoolType = _Names("MemoryPoolType", ["WORKSPACE"])
OnnxParserFlag = _Names("OnnxParserFlag", ["ADJUST_FOR_DLA"])
BuilderFlag = _Names("BuilderFlag", ["FP16", "INT8", "TF32", "SPARSE_WEIGHTS", "GPU_FALLBACK"])


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0


class IInt8EntropyCalibrator2:
    def __init__(self):
        NOTES["calibrator"] = type(self).__mro__[1].__name__


class IInt8MinMaxCalibrator(IInt8EntropyCalibrator2):
    pass


class _Cache:
    def __init__(self, content):
        self.content = bytes(content)

    def serialize(self):
        return self.content + b"+"


class _Config:
    def __init__(self):
        self.flags, self.limits, self.int8_calibrator = {"TF32"}, {}, None
        self.default_device_type, self.DLA_core, self._cache = DeviceType.GPU, -1, None

    def set_flag(self, flag):
        self.flags.add(flag.name)

    def clear_flag(self, flag):
        self.flags.discard(flag.name)

    def set_memory_pool_limit(self, pool, size):
        self.limits[pool.name] = size

    def create_timing_cache(self, content):
        return _Cache(content)

    def set_timing_cache(self, cache, ignore_mismatch):
        if cache.content and not SAYS.get("timing_cache_fits", True):
            return False
        self._cache = cache
        return True

    def get_timing_cache(self):
        return self._cache


class Builder:
    def __init__(self, logger):
        self.logger = logger

    def create_network(self, flags=0):
        NOTES["network_flags"] = flags
        return object()

    def create_builder_config(self):
        return _Config()

    def build_serialized_network(self, network, config):
        NOTES["config"] = config
        if config.int8_calibrator is not None:
            _calibrate(config.int8_calibrator)
        severity = ILogger.Severity
        self.logger.log(severity.INFO, "[GpuLayer] CONVOLUTION: stem")
        if SAYS.get("build", True):
            return b"ftrt" + json.dumps(sorted(config.flags)).encode()
        self.logger.log(severity.ERROR, "Error Code 2: no implementation for node stem")
        return None


def _calibrate(calibrator):
    """As TensorRT: a cache that is given spares the batches; what was measured is given back."""
    cache = calibrator.read_calibration_cache()
    NOTES["cache_read"] = cache
    if cache is not None:
        return
    NOTES["batches"] = batches = []
    while (addresses := calibrator.get_batch(["image"])) is not None:
        count = int(np.prod(SAYS["batch_shape"]))
        memory = (ctypes.c_float * count).from_address(addresses[0])
        batches.append(np.array(memory, np.float32).reshape(SAYS["batch_shape"]))
    calibrator.write_calibration_cache(memoryview(b"TRT-100300-EntropyCalibration2\nimage: 3c010a14\n"))


class OnnxParser:
    def __init__(self, network, logger):
        self.errors = SAYS.get("parse_errors", [])

    def set_flag(self, flag):
        NOTES["parser_flag"] = flag.name

    def parse(self, model, path=None):
        NOTES["onnx"] = bytes(model)
        return not self.errors

    @property
    def num_errors(self):
        return len(self.errors)

    def get_error(self, index):
        return self.errors[index]


class _Context:
    def __init__(self):
        self.addresses = {}

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream_handle):
        if not SAYS.get("start", True):
            return False
        arrays = {}
        for name, _, shape in TENSORS:
            memory = (ctypes.c_float * int(np.prod(shape))).from_address(self.addresses[name])
            arrays[name] = np.ctypeslib.as_array(memory).reshape(shape)
        arrays["doubled"][...] = arrays["left"] * 2 + 1
        arrays["lowered"][...] = arrays["right"] - 1
        return True


class _Engine:
    num_io_tensors = len(TENSORS)

    def create_execution_context(self):
        return _Context()

    def get_tensor_name(self, index):
        return TENSORS[index][0]

    def get_tensor_mode(self, name):
        return TensorIOMode[next(mode for known, mode, _ in TENSORS if known == name)]

    def get_tensor_shape(self, name):
        return SAYS.get("shape") or next(shape for known, _, shape in TENSORS if known == name)

    def get_tensor_dtype(self, name):
        return DataType.FLOAT


class Runtime:
    num_DLA_cores = DLA_CORES

    def __init__(self, logger):
        self.logger, self.DLA_core = logger, -1

    def deserialize_cuda_engine(self, content):
        NOTES["dla_core"] = self.DLA_core
        if content.startswith(b"ftrt"):
            return None if b"damaged" in content else _Engine()
        return None
