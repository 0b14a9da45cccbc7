"""C pieces of `<name>_io.c` and of its selftest: data, read with importlib.resources."""
