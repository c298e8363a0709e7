"""The parts of `benchmarks/uncertainty.py`."""
