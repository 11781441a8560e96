"""A stand-in for Iterable's API: a real HTTP server with generated data, limits, and faults on request.

In a test, ``with Sandbox() as sandbox: ...``; on the command line, ``python -m integration_tests.sandbox``.
"""

from integration_tests.sandbox.faults.fault import Fault
from integration_tests.sandbox.http.job import Job
from integration_tests.sandbox.http.request import Request
from integration_tests.sandbox.project.options import Options, Size
from integration_tests.sandbox.sandbox import Sandbox

__all__ = ["Fault", "Job", "Options", "Request", "Sandbox", "Size"]
