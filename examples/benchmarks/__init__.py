"""The rows of `benchmark.py`: contenders by kind of work."""
