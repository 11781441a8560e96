"""Error responses: the status, Iterable's code and text, and whether Iterable or a proxy sent it."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from html import unescape
from urllib.parse import urlsplit

import orjson
import requests

from source_iterable.masking import masked, unnamed

MAX_BODY_BYTES = 64_000

_CODE = re.compile(r"[A-Za-z]\w{0,60}", re.ASCII)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")
_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title\s*>", re.IGNORECASE | re.DOTALL)
_NO_SUCH_ROUTE = "action not found"
# Placeholders for the project's own names and numbers in a path.
_OWN_NAMES = (
    (re.compile(r"(?<=/)\d+(?=/|$)"), "{id}"),
    (re.compile(r"^catalogs/[^/]+"), "catalogs/{name}"),
    (re.compile(r"^metadata/[^/]+/.+"), "metadata/{table}/{key}"),
    (re.compile(r"^metadata/[^/{]+$"), "metadata/{table}"),
)
_UNREADABLE_DATE = (ValueError, TypeError, IndexError, OverflowError)
API_STATUSES = frozenset({200, 400, 401, 403, 404})  # an HTML page with one of these is a proxy's
BUSY = frozenset({204, 408, 409, 423, 425})  # treated like 503


class ErrorResponse:
    """The status of a response, and Iterable's code and text, from the first 64 kB of its body."""

    def __init__(self, response: requests.Response) -> None:
        """Read the first 64 kB of the body, and close ``response``."""
        self.status = response.status_code
        self.code = ""
        self.text = ""
        self.body = body = _bounded_body(response)
        self._url = str(response.url or "")
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            parsed = None
        if isinstance(parsed, dict):
            code = str(parsed.get("code") or "")
            self.code = code if _CODE.fullmatch(code) and unnamed(code) == code else ""
            self.text = str(parsed.get("msg") or "")
        else:
            self.text = body.decode("utf-8", "replace")

    def __str__(self) -> str:
        """`HTTP 400 BadParams`."""
        return f"HTTP {self.status} {self.code}".rstrip()

    @property
    def detail(self) -> str:
        """The status, code and text, with personal data masked, for internal messages."""
        return f"{self}: {masked(self.text)}"

    @property
    def endpoint(self) -> str:
        """The endpoint that was requested; empty if it is not one of the API."""
        return endpoint_of(self._url)

    @property
    def is_missing_endpoint(self) -> bool:
        """Whether Iterable does not have the endpoint: a 404 with an HTML page titled "Action not found".

        Every other HTML page comes from a proxy or login page.
        """
        if self.status != requests.codes.not_found or not self.endpoint or not _MARKUP.match(self.body):
            return False
        title = _TITLE.search(self.text)
        return title is not None and " ".join(unescape(title[1]).split()).lower() == _NO_SUCH_ROUTE


def endpoint_of(url: str) -> str:
    """The endpoint in ``url``, without the project's own names and numbers: `catalogs/{name}/items`."""
    path = urlsplit(url).path.partition("/api/")[2]
    for own, placeholder in _OWN_NAMES:
        path = own.sub(placeholder, path)
    return path


def is_web_page(response: requests.Response) -> bool:
    """Whether a response is HTML: from a proxy or login page, or from Iterable if it does not have the endpoint."""
    return str(response.headers.get("Content-Type", "")).strip().lower().startswith("text/html")


def is_busy(status: int) -> bool:
    """Whether the server cannot answer now."""
    return status >= requests.codes.server_error or status in BUSY


def retry_after(response: requests.Response) -> float | None:
    """The seconds to wait, from the header `Retry-After` (a number or a date); None without one."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except _UNREADABLE_DATE:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    try:
        now = parsedate_to_datetime(response.headers.get("Date", ""))
    except _UNREADABLE_DATE:
        now = datetime.fromtimestamp(time.time(), timezone.utc)
    if now.tzinfo is None:
        now = now.replace(tzinfo=timezone.utc)
    return max(0.0, (until - now).total_seconds())


def _bounded_body(response: requests.Response) -> bytes:
    try:
        body: bytes = response.raw.read(MAX_BODY_BYTES, decode_content=True) or b""
    except Exception:
        body = b""
    finally:
        response.close()
    return body
