"""In whatever order syncs, kills, faults, late events and edits come, nothing is lost and nothing comes twice.

The examples of `make test` are always the same; `make soak` draws new ones for as long as one likes.
"""

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from integration_tests.machine import Model

TestModel = Model.TestCase
TestModel.settings = hypothesis_settings(
    max_examples=80,
    stateful_step_count=14,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
