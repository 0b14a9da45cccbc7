"""C sources of the kernels: data, read with importlib.resources."""
