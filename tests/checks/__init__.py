"""Checks of the sources as text, run by `make check`; tests of behaviour lie in unit, flow and reference."""
