"""Templates of the generated files: data, read with importlib.resources."""
