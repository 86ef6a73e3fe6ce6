"""What is acceptable: suites as data (``suites/*.yml``) and the adapter that runs them with Great Expectations."""

from expectations.landing import check_landing
from expectations.results import (
    CheckContext,
    CheckResult,
    LandedDelivery,
    LandingVerdict,
    Outcome,
    PauseLimits,
    Refusal,
    SurveyItem,
    WarehouseVerdict,
)
from expectations.warehouse import check_publish, check_warehouse

__all__ = [
    "CheckContext",
    "CheckResult",
    "LandedDelivery",
    "LandingVerdict",
    "Outcome",
    "PauseLimits",
    "Refusal",
    "SurveyItem",
    "WarehouseVerdict",
    "check_landing",
    "check_publish",
    "check_warehouse",
]
