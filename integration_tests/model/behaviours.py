"""How a project may behave: what an example of the model, or a chain of the soak, draws for its sandbox.

A new option of the sandbox is one line here, in `BEHAVIOURS` if every stream must come exactly whatever its value, in
`NOT_DRAWN` with the reason if not; a test compares both with the options that there are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from integration_tests.sandbox import NEXT_PAGES, PROJECT_TYPES

BEHAVIOURS: Mapping[str, Sequence[Any]] = {
    "project_type": ("email", *PROJECT_TYPES),
    "lists_prefer_email": (False, True),
    "inclusive_end": (False, True),
    "delay_in_seconds": (0.0, 0.0, 45.0),
    "archived_campaigns": (True, False),
    "bare_next_pages": (False, True),
    "next_pages": NEXT_PAGES,
    "largest_page": (2, 0),
    "unfiltered_totals": (False, True),
    "silent_campaigns": (True, False),
    "experiments_total_count": (False, True),
    "keyless_users": (0, 0, 0, 0, 3),
    "missing_endpoints": ((), (), (), ("experiments*",), ("export/start",), ("export/jobs",)),
    "metadata_page": (5, 1),
    "wrapped_catalogs": (True, False),
    "odd_metrics": (False, True),
    "zero_metrics": (False, True),
    "late_metrics_in_days": (0.0, 1.5, 14.0),
    "blank_lines": (True, False),
    "job_polls": (2, 0, 3, 2, 20),
    "job_file_bytes": (10_000_000, 2_500),
    "job_bytes": (100_000_000_000, 100_000_000_000, 25_000),
    "job_files_page": (10, 1),
    "job_files_shuffled": (False, True),
    "job_files_by_position": (False, True),
    "job_files_repeated": (False, True),
    "job_files_late": (0, 2),
    "job_bytes_told": (True, False),
    "jobs_listed": (True, False),
    "job_files_gzip": (False, True),
    "job_empty_file": (False, True),
    "job_url_seconds": (1800, 60),
    "foreign_jobs": (0, 0, 2),
}
"""Values of `Options`, each as often as it is to be drawn, the usual one first."""

NOT_DRAWN: Mapping[str, str] = {
    "seed": "it is drawn by itself",
    "api_key": "any key is like any other",
    "read_only_key": "such a key reads almost nothing",
    "rate_scale": "the limits are lifted, or examples would take hours",
    "rate_window": "the limits are lifted",
    "retry_after": "the limits are lifted; faults answer 429 with this header and without",
}
"""The other options, and why no example draws them."""

EXPORT_METHODS = ("automatic", "automatic", "automatic", "automatic", "jobs", "direct")
"""The setting `export_method`, as often as it is to be drawn."""


def fitting(drawn: Mapping[str, Any], lookback_in_minutes: int, method: str) -> dict[str, Any]:
    """``drawn`` without what no sync with such settings bears: events beyond the lookback, no jobs but jobs alone."""
    unbearable: dict[str, Any] = {}
    if drawn["delay_in_seconds"] >= 60.0 * lookback_in_minutes:
        unbearable["delay_in_seconds"] = 0.0
    if method == "jobs" and "export/start" in drawn["missing_endpoints"]:
        unbearable["missing_endpoints"] = ()
    return {**drawn, **unbearable}
