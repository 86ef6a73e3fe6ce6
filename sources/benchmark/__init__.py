"""Connectors of benchmarks: figures that others published. How to bring in a publication: README.md beside this."""
