"""Parts of benchmarks/uncertainty.py: what is measured, and how it is shown."""
