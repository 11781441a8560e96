"""What endpoints answer: a JSON value, lines, or an error as Iterable words it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from aiohttp import web

from integration_tests.sandbox.data.ids import PROJECT_ID
from integration_tests.sandbox.data.rows import Row
from integration_tests.sandbox.http.limits import REQUESTS_PER_MINUTE, REQUESTS_PER_SECOND, limited

NOT_FOUND = """\
<!DOCTYPE html>
<html><head><title>Action not found</title></head><body><h1>Action not found</h1></body></html>
"""
BAD_GATEWAY = "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n"


class ApiError(Exception):
    """An answer other than 200, with Iterable's error body."""

    def __init__(self, status: int, message: str, code: str, params: Row | None = None) -> None:
        """Answer ``status`` with these three."""
        super().__init__(message)
        self.status = status
        self.body = {"msg": message, "code": code, "params": params}


@dataclass
class Answer:
    """What an endpoint answers with status 200: one JSON value, or lines."""

    value: Any = None
    lines: Iterable[list[bytes]] | None = None
    newline_at_end: bool = False
    blank_lines: bool = False
    cache_key: tuple[Any, ...] | None = None

    def with_next_page(self, location: str) -> Self:
        """The answer with another next page, where this endpoint names it."""
        return self._with({"nextPageUrl": location})

    def with_total(self, total: int) -> Self:
        """The answer with another total."""
        inner = self._inner
        if isinstance(inner.get("pagination"), dict):
            return self._with({"pagination": inner["pagination"] | {"total": total}})
        return self._with({name: total for name in inner if name.startswith("total")})

    def without_rows(self) -> Self:
        """The answer with an empty page; its total and its next page stay."""
        return self._with({name: [] for name, value in self._inner.items() if isinstance(value, list)})

    @property
    def _inner(self) -> Row:
        """What an answer holds, within its wrapping if any."""
        wrapped = self.value.get("params")
        inner: Row = wrapped if isinstance(wrapped, dict) else self.value
        return inner

    def _with(self, fields: Row) -> Self:
        inner = self._inner | fields
        return replace(self, value=inner if self._inner is self.value else self.value | {"params": inner})


Handler = Callable[[web.Request, list[str]], Answer]
"""What answers a call, given the values that stand in its path."""


def bad_params(message: str, params: Row | None = None) -> ApiError:
    """The answer to a call that requests what there is not."""
    return ApiError(400, message, "BadParams", params)


def rate_limit_error(endpoint: str) -> ApiError:
    """The answer to a call beyond the limit."""
    a_second = REQUESTS_PER_SECOND.get(limited(endpoint))
    limit, unit = float(a_second or REQUESTS_PER_MINUTE.get(endpoint, 100)), "second" if a_second else "minute"
    text = f"Exceeded rate limit of {limit} per {unit} for endpoint: /api/{endpoint}, project: {PROJECT_ID} "
    return ApiError(429, text, "RateLimitExceeded", {})


def key_error(endpoint: str) -> ApiError:
    """The answer to a key that is missing, unknown, or of a type that may not call the endpoint."""
    return ApiError(401, "Invalid API key", "BadApiKey", {"ip": "127.0.0.1", "endpoint": f"/api/{endpoint}"})


def status_error(status: int, endpoint: str) -> ApiError | str:
    """What Iterable answers with a status: an error with a JSON body, or a page."""
    generic = "An error occurred. Please try again later. If problem persists, please contact your CSM"
    errors = {
        400: bad_params("Invalid parameters"),
        401: key_error(endpoint),
        403: ApiError(403, "The API key may not do this", "Forbidden", {"endpoint": f"/api/{endpoint}"}),
        404: ApiError(404, "Not found", "NotFound", None),
        429: rate_limit_error(endpoint),
        500: ApiError(500, generic, "GenericError", None),
    }
    names = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}
    return errors.get(status) or BAD_GATEWAY.format(names.get(status, str(status)))
