"""The table of list members: `GET lists/getUsers`, one list a request, one member a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airbyte_cdk.models import FailureType, SyncMode
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.api import LIST_USERS_PATH
from source_iterable.errors import Rejected, TooMuchError, failure
from source_iterable.prefetch import plans
from source_iterable.prefetch.plans import Reserve
from source_iterable.progress import duration
from source_iterable.rows import Row
from source_iterable.spool import Spool
from source_iterable.streams.base import AheadStream, Slice, Turn
from source_iterable.streams.profile_fields import identifies_by_email, profile_fields


class ListUsers(AheadStream):
    """Members of lists, as they are now."""

    endpoint = LIST_USERS_PATH
    primary_key = ["email", "listId"]  # noqa: RUF012 - the CDK's property is replaced
    # In projects that do not identify people by address, two members may share one: their ids are asked for.
    _params: Mapping[str, str] = {}

    def turn(self, *, is_first_sync: bool) -> Turn:
        """Last: nothing takes longer."""
        return Turn.MEMBERS

    def plan(self, state: Mapping[str, Any]) -> plans.ListPlan[int]:
        """All lists of the project."""
        return plans.ListPlan(self.name, self.endpoint, self.list_ids, self.download)

    def list_ids(self) -> Sequence[int]:
        """The ids of all lists, in order; called on a thread of the prefetcher."""
        if not self._identifies_by_email():
            self._params = {"preferUserId": "true"}
        response = self.api.get("lists", {}, self.attempts("the listing of lists"), self.name)
        try:
            ids = sorted({int(entry["id"]) for entry in self.objects(self.read_object(response), "lists", "id")})
        except ValueError as error:
            raise self.unexpected("a list whose id is no number") from error
        seconds = self.api.seconds_a_request(self.endpoint)
        self.logger.info(
            "%s: %d lists, one request each; at %.3g s a request that takes %s at the least.",
            self.name, len(ids), seconds, duration(seconds * len(ids)),
        )  # fmt: skip
        self._of = len(ids)
        return ids

    def _identifies_by_email(self) -> bool:
        """Whether members are told apart by address; taken for granted where the key may not ask."""
        try:
            return identifies_by_email(profile_fields(self))
        except AirbyteTracedException as error:
            if error.failure_type is not FailureType.config_error or self.api.key_refusal:
                raise
            return True

    def stream_slices(
        self,
        *,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterator[Slice]:
        """The lists, each when it was downloaded whole."""
        skipped: list[Skipped] = []
        for number, piece in enumerate(filter(None, self.prefetched()), start=1):
            if isinstance(piece.body, Skipped):
                skipped.append(piece.body)
                self.progress.remark(f"list {piece.what} skipped: {piece.body.reason}")
            else:
                yield {"listId": piece.what, "number": number, "piece": piece}
        if skipped and len(skipped) == self._of:
            raise failure(
                self.name,
                f"none of the {len(skipped)} lists could be read; for the last one {skipped[-1].reason}. "
                "Ask Iterable's support about it, naming the endpoint lists/getUsers.",
                skipped[-1].reason,
                FailureType.system_error,
            )

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Slice | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        """The members of one downloaded list."""
        if stream_slice is None:
            return
        piece: plans.Slice[int] = stream_slice["piece"]
        spool: Spool = piece.body
        before = self.progress.rows
        yield from self.emitted(self.counted(self._members(spool, piece.what)))
        rows = self.progress.rows - before
        self.progress.part_done(f"list {piece.what}", rows, spool.size, piece.seconds, stream_slice["number"], self._of)

    def _members(self, spool: Spool, list_id: int) -> Iterator[Row]:
        """The records of a list: its lines are e-mail addresses or, in some projects, user ids; text as it was sent."""
        record = self.columns.record
        for line in spool.lines():
            text = line.decode("utf-8", "replace")
            yield record({}, {"email": text, "userId": None if "@" in text else text, "listId": list_id})

    def download(self, list_id: int, reserve: Reserve) -> Spool | Skipped:
        """The members of a list, whole; called on a thread of the prefetcher.

        A list is skipped only for an answer about that list that repeats.
        """
        attempts = self.attempts(
            f"list {list_id}",
            rejects={400, 404, 500},
            receive=lambda response: Spool.receive(response, grow=reserve),
        )
        params = {"listId": list_id, **self._params}
        try:
            spool: Spool = self.api.get(self.endpoint, params, attempts, self.name).raw  # type: ignore[assignment]
        except Rejected as rejected:
            return Skipped(f"Iterable answers {rejected.answer}, also when asked again")
        except TooMuchError as error:
            raise failure(
                self.name,
                f"list {list_id} is larger than the room for spooled bodies. Raise ITERABLE_SPOOL_MEGABYTES.",
                str(error),
                FailureType.config_error,
            ) from error
        return spool


class Skipped:
    """What stands for a list that Iterable cannot give."""

    size = 0

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def close(self) -> None:
        """Nothing lies on disk."""
