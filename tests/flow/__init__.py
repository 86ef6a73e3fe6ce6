"""Flow tests: the real job on a tiny sample region."""
