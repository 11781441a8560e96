"""A stand-in for Iterable's API: a real HTTP server with generated data, limits, and faults on request.

In a test, ``with Sandbox() as sandbox: ...``; on the command line, ``python -m integration_tests.sandbox``.
README.md tells the rest. Whatever is not named here may change.
"""

from integration_tests.sandbox.faults.fault import Fault, FaultKind
from integration_tests.sandbox.http.answers import Answer, ApiError
from integration_tests.sandbox.http.job import Job
from integration_tests.sandbox.http.request import Request
from integration_tests.sandbox.project.options import DEFAULT_API_KEY, NEXT_PAGES, PROJECT_TYPES, Options, Size
from integration_tests.sandbox.sandbox import Sandbox

__all__ = [
    "DEFAULT_API_KEY",
    "NEXT_PAGES",
    "PROJECT_TYPES",
    "Answer",
    "ApiError",
    "Fault",
    "FaultKind",
    "Job",
    "Options",
    "Request",
    "Sandbox",
    "Size",
]
