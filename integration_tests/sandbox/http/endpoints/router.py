"""The endpoints of a project by their paths."""

from urllib.parse import unquote

from integration_tests.sandbox.http.answers import Handler
from integration_tests.sandbox.http.endpoints.campaigns import Campaigns
from integration_tests.sandbox.http.endpoints.exports import Exports
from integration_tests.sandbox.http.endpoints.library import Library
from integration_tests.sandbox.http.endpoints.lists import Lists
from integration_tests.sandbox.http.endpoints.reports import Reports
from integration_tests.sandbox.project.project import Project


class Endpoints:
    """Finds what answers a call; limits, keys and faults are the server's business."""

    def __init__(self, project: Project) -> None:
        """Serve ``project``."""
        self._routes: list[tuple[str, Handler]] = [
            *Reports(project).routes,  # before what takes any name in their place
            *Campaigns(project).routes,
            *Exports(project).routes,
            *Library(project).routes,
            *Lists(project).routes,
        ]

    def serve(self, pattern: str, handler: Handler) -> None:
        """Have ``handler`` answer the paths of ``pattern``, whatever did so far; ``{}`` is any one part of a path."""
        self._routes.insert(0, (pattern, handler))

    def find(self, path: str) -> tuple[Handler, list[str]] | None:
        """What answers ``path`` (below ``/api/``, still escaped) and the values in it; None if nothing."""
        parts = path.split("/")
        for pattern, handler in self._routes:
            wanted = pattern.split("/")
            if len(wanted) == len(parts) and all(w in ("{}", p) for w, p in zip(wanted, parts, strict=True)):
                return handler, [unquote(p) for w, p in zip(wanted, parts, strict=True) if w == "{}"]
        return None
