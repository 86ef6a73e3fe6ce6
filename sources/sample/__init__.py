"""The synthetic sample region, written in the real file formats of the connectors."""
