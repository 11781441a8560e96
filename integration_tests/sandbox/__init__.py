"""A stand-in for Iterable's API: a real HTTP server with generated data, limits, and faults on request.

In a test, ``with Sandbox() as sandbox: ...``; on the command line, ``python -m integration_tests.sandbox``.
"""

from integration_tests.sandbox.faults import Fault
from integration_tests.sandbox.jobs import Job
from integration_tests.sandbox.options import Options, Size
from integration_tests.sandbox.sandbox import Sandbox
from integration_tests.sandbox.wire import Request

__all__ = ["Fault", "Job", "Options", "Request", "Sandbox", "Size"]
