"""The synthetic sample region, written in the real file formats of the connectors."""

from sources.sample.next_delivery import write_next_delivery
from sources.sample.region import SampleSummary, write_region

__all__ = ["SampleSummary", "write_next_delivery", "write_region"]
