"""How a stream sends requests and parses their responses."""

from __future__ import annotations

from abc import ABC
from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

import requests
from airbyte_cdk.models import ConfiguredAirbyteStream
from airbyte_cdk.sources.streams.http import HttpStream

from source_iterable import messages
from source_iterable.api.body_scan import UnusableBodyError
from source_iterable.api.patience import LONG_PATIENCE, PATIENCE, SHORT_PATIENCE
from source_iterable.api.retry import RetryPolicy
from source_iterable.progress import Progress
from source_iterable.records.columns import fits
from source_iterable.records.json_lines import MalformedLineError, Row, parse
from source_iterable.streams.disk import DiskLimit, DiskUser
from source_iterable.streams.schema import Column
from source_iterable.sync import Sync


class ApiStream(DiskUser, HttpStream, ABC):
    """A stream that sends requests.

    Attributes:
        endpoint: The path below `/api/`.
        columns: The columns that Iterable documents, and those that the connector adds; the classes of the catalog are
            those that declare some.
        rejects: The statuses that concern one requested object, raised as `RequestRejected`.
        sync: What the streams of the run share.
        configured: What the user selected; None outside a read.
    """

    endpoint: ClassVar[str]
    columns: ClassVar[Mapping[str, Column]] = {}
    rejects: ClassVar[Collection[int]] = ()
    # Without a cursor there is nothing to resume from; the CDK would wait for one forever.
    is_resumable = False

    def __init__(
        self,
        sync: Sync,
        configured: ConfiguredAirbyteStream | None = None,
        parent: ApiStream | None = None,
    ) -> None:
        """Make a stream; what is requested for a ``parent`` has its name in messages and counts in its summary."""
        self.sync = sync
        self.config = sync.config
        self.api = sync.api
        self.configured = configured
        self._reader: ApiStream = parent._reader if parent else self
        if parent is not None:
            self.name = parent.name
        self.disk_limit: DiskLimit | None = parent.disk_limit if parent else self._disk_limit()
        self.progress: Progress = (
            parent.progress if parent else Progress(self.name, self.api.seconds_a_request(self.endpoint))
        )
        self._state: MutableMapping[str, Any] = {}
        super().__init__()

    def _disk_limit(self) -> DiskLimit | None:
        return self.sync.prefetcher

    @property
    def url_base(self) -> str:
        """The API's address."""
        return self.api.url

    def path(self, **_: Any) -> str:
        """The endpoint."""
        return self.endpoint

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Row]:
        """Never called: a body is read from disk, once it is proved whole, by `rows`."""
        raise NotImplementedError

    def next_page_token(self, response: requests.Response) -> None:
        """Never called, for the same reason: streams that have pages know the next one (paging.py)."""
        raise NotImplementedError

    def request(self, path: str, params: Mapping[str, Any], policy: RetryPolicy) -> Row:
        """The JSON object that Iterable returns.

        Raises:
            AirbyteTracedException: As ``policy`` says; a system_error if the answer is anything else.
            RequestRejected: If the answer is about the thing requested (only where ``policy`` rejects any).
        """
        body = self.api.get(path, params, policy, self.name)
        try:
            return parse(body.read())
        except MalformedLineError as error:
            raise self.unexpected("no JSON object") from error
        except UnusableBodyError as error:
            raise self.unexpected(f"too much ({error})") from error

    def objects(self, body: Row, key: str, *required: str) -> list[Row]:
        """The list of objects under ``key`` of ``body``, each with the fields ``required``, numbers or text."""
        rows = body.get(key)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.unexpected(f"no list of objects under '{key}'")
        for name in required:
            if not all(isinstance(row.get(name), int | str) for row in rows):
                raise self.unexpected(f"an object without '{name}' under '{key}'")
        return rows

    @property
    def key_names(self) -> Sequence[str]:
        """The columns of the primary key."""
        return [name for path in self._wrapped_primary_key(self.primary_key) or [] for name in path]

    def keyed(self, rows: list[Row], *names: str) -> list[Row]:
        """``rows``, each with a value under all of ``names`` that fits the column of that name."""
        for name in names:
            column = self.columns.get(name, {})
            if not all(row.get(name) is not None and fits(row[name], column) for row in rows):
                raise self.unexpected(f"a row without a usable '{name}'")
        return rows

    def retry_policy(self, subject: str, **options: Any) -> RetryPolicy:
        """How failures of a request of this stream are met; ``options`` are arguments of `RetryPolicy`."""
        return RetryPolicy(
            self.name,
            subject,
            data_center=self.api.data_center,
            on_answer=self.progress.answered,
            refusals=self.api.refusals,
            outage=self.api.outage,
            on_disk_full=self.free_disk,
            on_unframed=self.warn_of_unframed,
            **{"receive": self.receive, "patience": self.patience, "is_down": self.api.is_down, **options},
        )

    @property
    def is_resumed(self) -> bool:
        """Whether another attempt would continue where this one stops, and not start over."""
        return self.is_resumable

    def patience(self) -> float:
        """For how many seconds a failure of a request is met, in proportion to what it costs to fail."""
        patience = PATIENCE if self._reader.is_resumed else LONG_PATIENCE
        return patience if self._reader.configured else SHORT_PATIENCE  # in `discover`, for which users wait

    def warn_of_unframed(self) -> None:
        """Warn, once, that answers came without any sign of their end."""
        self.progress.remark(messages.UNFRAMED_ANSWERS, once=True)

    def unexpected(self, found: str) -> messages.MessageError:
        """The error for an answer that is not what Iterable documents."""
        return messages.UNEXPECTED_ANSWER.error(self.name, found=found)
