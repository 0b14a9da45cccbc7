"""TensorRT engines: what TensorRT is given (ONNX, calibration), how it is told, and plans for devices elsewhere."""
