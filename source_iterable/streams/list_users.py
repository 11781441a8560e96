"""The stream of list members: `GET lists/getUsers`, one list a request, one member a line.

Lists come in any order, and one that fails is requested again after all others (prefetch/lists.py). The
state says which lists were delivered (full_refresh.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable.api.body import Body
from source_iterable.api.errors import RequestRejected, failure
from source_iterable.api.patience import NO_PATIENCE, SHORT_PATIENCE
from source_iterable.api.rate_limits import LIST_USERS_PATH
from source_iterable.api.retry import RetryPolicy
from source_iterable.exceptions import DiskFullError, TooLargeError
from source_iterable.prefetch import plans
from source_iterable.prefetch.lists import ItemPlan, Listing, Patience, Trouble, UnavailableError, spans
from source_iterable.prefetch.plans import Reserve
from source_iterable.progress import duration
from source_iterable.records.json_lines import Row
from source_iterable.streams.base import HEARTBEAT, Slice, Turn
from source_iterable.streams.full_refresh import ResumedStream, Run
from source_iterable.streams.prefetched import PrefetchedStream
from source_iterable.streams.profile_fields import identifies_by_email, profile_fields
from source_iterable.streams.schema import ColumnSet, generated, integer, text

MOST_IN_A_SPAN = 1_000_000  # more lists than any project has: the state is not of this stream
PATIENCE = Patience()
# How often a request for a list meets a failure of the transport before the list is put off.
MAX_ATTEMPTS = 2
REJECTIONS = frozenset({400, 404, 500})


class ListUsers(ResumedStream[set[int]], PrefetchedStream):
    """One member of one list.

    The state of a full refresh that was cut short is `{"complete": ids of the lists that were delivered, ...}`.
    """

    endpoint = LIST_USERS_PATH
    primary_key = ["email", "listId"]  # noqa: RUF012 - the CDK's property is replaced
    columns = ColumnSet(
        {
            "email": text(
                "What Iterable lists for the member, as sent: an email address or, in some projects, a user id."
            ),
            "userId": generated(text("The member's user id, where what Iterable lists is no email address.")),
            "listId": generated(integer("Id of the list; points to `id` in `lists`.")),
        }
    )
    done_key = "complete"
    # In projects that do not identify people by address, two members may share one: their ids are requested.
    _params: Mapping[str, str] = {}
    _of = 0
    _delivered = 0

    def turn(self, *, is_first_sync: bool) -> Turn:
        """Last: nothing takes longer."""
        return Turn.MEMBERS

    def plan(self, state: Mapping[str, Any]) -> ItemPlan:
        """The lists of the project that the attempts before this one did not deliver."""
        run = self.begin_run(state)
        self._complete = run.done or set()
        self._plan = plan = ItemPlan(
            self.name, self.endpoint, "list", self.lists, self.download, self.look, PATIENCE.scaled(self.api.scaled)
        )
        if run.is_finished:
            plan.slices.clear()
        return plan

    def parse_done(self, saved: object) -> set[int] | None:
        """The numbers in ``saved``, as `spans` writes them; None if it holds anything else."""
        numbers: set[int] = set()
        for one in saved if isinstance(saved, list) else [saved]:
            bounds: list[Any] = one if isinstance(one, list) else [one, one]
            if len(bounds) != 2 or not all(type(bound) is int for bound in bounds):  # noqa: PLR2004 - first and last
                return None
            if not 0 <= bounds[1] - bounds[0] <= MOST_IN_A_SPAN:
                return None
            numbers.update(range(bounds[0], bounds[1] + 1))
        return numbers

    def lists(self) -> Listing:
        """The ids of all lists, in order; called on a thread of the prefetcher."""
        try:
            ids = self._list_ids()
        except AirbyteTracedException as error:
            raise self._unavailable(error, "the listing of lists ") from error
        complete = self._complete & set(ids)
        left = [one for one in ids if one not in complete]
        seconds = self.api.seconds_a_request(self.endpoint)
        self.logger.info(
            "%s: %d lists, one request each%s; at %.3g s a request that takes %s at the least.",
            self.name, len(ids), f", {len(complete)} of them delivered by an earlier attempt" if complete else "",
            seconds, duration(seconds * len(left)),
        )  # fmt: skip
        self._of, self._delivered = len(ids), len(complete)
        return Listing(left, known_good=sorted(complete))

    def _list_ids(self) -> Sequence[int]:
        if not self._identifies_by_email():
            self._params = {"preferUserId": "true"}
        answer = self.request("lists", {}, self.retry_policy("the listing of lists"))
        try:
            return sorted({int(entry["id"]) for entry in self.objects(answer, "lists", "id")})
        except ValueError as error:
            raise self.unexpected("a list whose id is not a number") from error

    def _identifies_by_email(self) -> bool:
        """Whether members are told apart by address; taken for granted where the key may not ask."""
        try:
            return identifies_by_email(profile_fields(self))
        except AirbyteTracedException as error:
            if error.failure_type is not FailureType.config_error or self.api.key_refusal:
                raise
            return True

    def slices(self) -> Iterator[Slice]:
        """The lists, each when it was downloaded whole, and at the end a slice of nothing that saves the last state.

        Raises:
            AirbyteTracedException: If lists are missing that might have been read.
        """
        try:
            for piece in self.prefetched():
                if piece is None:
                    self._state = self._saved()
                    yield HEARTBEAT
                else:
                    yield {"listId": piece.what, "piece": piece}
        except UnavailableError as error:
            raise error.trouble.error or error from error
        run = self._prepared()
        trouble = self._missing()
        if trouble is None:
            self._state = run.finished(self.api.clock.now())
            yield HEARTBEAT
            return
        run.end(self.api.clock.now())
        self._state = self._saved()
        yield HEARTBEAT
        raise trouble

    def records(self, stream_slice: Slice) -> Iterator[Row]:
        """The members of one downloaded list: its lines are email addresses or, in some projects, user ids, as sent."""
        piece: plans.Slice[int] = stream_slice["piece"]
        record = self.selected_columns.record
        for line in piece.body.lines():
            text = line.decode("utf-8", "replace")
            yield record({}, {"email": text, "userId": None if "@" in text else text, "listId": piece.what})

    def delivered(self, stream_slice: Slice, count: int) -> None:
        """Count the list among those that are complete."""
        piece: plans.Slice[int] = stream_slice["piece"]
        self._complete.add(piece.what)
        self._state = self._saved()
        self._delivered += 1
        self.progress.part_done(f"list {piece.what}", count, piece.body.size, piece.seconds, self._delivered, self._of)

    def _resumption(self, state: Mapping[str, Any]) -> str:
        run = self.run
        if run is None or not run.may_resume or not self._complete:
            return "its beginning"
        delivered = f" ({self._delivered} of {self._of} are delivered)" if self._of else ""
        return f"the lists that are missing{delivered}"

    def _prepared(self) -> Run[set[int]]:
        if self.run is None:
            raise RuntimeError("the stream was not planned")
        return self.run

    def _saved(self) -> MutableMapping[str, Any]:
        return self._prepared().state(self.api.clock.now(), spans(self._complete))

    # Requests

    def download(self, list_id: int, reserve: Reserve, is_first: bool) -> Body:
        """The members of a list, whole; called on a thread of the prefetcher.

        Raises:
            UnavailableError: If it cannot be had now.
            AirbyteTracedException: If no list can be had.
        """
        policy = self.retry_policy(
            f"list {list_id}",
            patience=SHORT_PATIENCE,
            tries=MAX_ATTEMPTS if is_first else 1,
            on_exhausted=_unavailable,
            is_down=None,  # what that means is found out by looking at other lists
            rejects=REJECTIONS,
            receive=lambda response: Body.receive(response, grow=reserve),
        )
        return self._request(list_id, policy)

    def look(self, list_id: int) -> None:
        """Request a list only to see whether it can be had; called on a thread of the prefetcher.

        Raises:
            UnavailableError: If it cannot be had now.
            AirbyteTracedException: If no list can be had.
        """

        def unread(response: Any) -> Body:
            response.close()
            return Body.from_lines(())

        policy = self.retry_policy(
            f"list {list_id}",
            patience=NO_PATIENCE,
            on_exhausted=_unavailable,
            is_down=None,
            rejects=dict.fromkeys(REJECTIONS, 1),
            receive=unread,
        )
        self._request(list_id, policy).close()

    def _request(self, list_id: int, policy: RetryPolicy) -> Body:
        try:
            return self.api.get(self.endpoint, {"listId": list_id, **self._params}, policy, self.name)
        except RequestRejected as rejected:
            answer = str(rejected.answer)
            raise UnavailableError(Trouble(f"Iterable answers {answer}", answer, is_rejection=True)) from rejected
        except TooLargeError as error:
            larger = failure(
                self.name,
                f"list {list_id} is larger than the disk limit. Raise ITERABLE_SPOOL_MEGABYTES.",
                str(error),
                FailureType.config_error,
            )
            reason = "it is larger than the disk limit"
            raise UnavailableError(Trouble(reason, "size", is_certain=True, error=larger)) from error
        except AirbyteTracedException as error:
            raise self._unavailable(error, f"list {list_id} ") from error

    def _unavailable(self, error: AirbyteTracedException, subject: str) -> Exception:
        """The failure of one list in place of ``error``; ``error`` itself where it is about all of them."""
        if isinstance(error, DiskFullError) or error.failure_type is FailureType.config_error:
            return error
        sentence, _, _ = str(error.message).removeprefix(f"{self.name}: ").removeprefix(subject).partition(". ")
        reason = sentence.rpartition("; the last time ")[2]
        is_lasting = error.failure_type is not FailureType.transient_error
        return UnavailableError(Trouble(reason, _kind(reason), is_lasting=is_lasting, error=error))

    # The end

    def _missing(self) -> AirbyteTracedException | None:
        """Remark what is left out for good reasons; the error if anything is missing without."""
        plan = self._plan
        skipped = {one: trouble for one, trouble in plan.passed_over.items() if trouble.is_rejection}
        others = {one: trouble for one, trouble in plan.passed_over.items() if not trouble.is_rejection}
        troubles = [*skipped.values(), *others.values(), *([plan.outage] if plan.outage else [])]
        if troubles and not self._delivered:
            return self._none_delivered(plan.outage or troubles[-1])
        self._remark_skipped(skipped)
        if plan.outage is not None:
            missing = sorted([*plan.missing, *others])
            return failure(
                self.name,
                f"lists could not be read for {duration(PATIENCE.outage)}; the last time {plan.outage.reason}. Lists "
                f"are missing ({len(missing)} of {self._of}): {_listed(missing)}. Iterable or the network on the way "
                "may be down: try again when it is not.",
                plan.outage.reason,
                FailureType.transient_error,
            )
        if not others:
            return None
        kind, advice = _kind_and_advice(list(others.values()))
        latest = list(others.values())[-1]
        return failure(
            self.name,
            f"lists are missing ({len(others)} of {self._of}): {_listed(sorted(others))}. All others were delivered. "
            f"The last one failed whenever it was requested: {latest.reason}. {advice}",
            latest.reason,
            kind,
        )

    def _remark_skipped(self, skipped: Mapping[int, Trouble]) -> None:
        by_reason: dict[str, list[int]] = {}
        for one, trouble in skipped.items():
            by_reason.setdefault(trouble.reason, []).append(one)
        for reason, ids in by_reason.items():
            if len(ids) == 1:
                self.progress.remark(f"list {ids[0]} skipped: {reason}, also when requested again after all others")
            else:
                self.progress.remark(
                    f"lists {_listed(ids)} skipped: {reason}, also when requested again after all others"
                )

    def _none_delivered(self, trouble: Trouble) -> AirbyteTracedException:
        """The error if not one list could be read."""
        if not trouble.is_rejection and isinstance(trouble.error, AirbyteTracedException) and not self._plan.outage:
            return trouble.error
        kind = FailureType.system_error if trouble.is_rejection else FailureType.transient_error
        if not self._of:
            return failure(
                self.name,
                f"the listing of lists could not be read for {duration(PATIENCE.outage)}; the last time "
                f"{trouble.reason}. Iterable or the network on the way may be down: try again when it is not.",
                trouble.reason,
                kind,
            )
        return failure(
            self.name,
            f"none of the {self._of} lists could be read; for the last one {trouble.reason}. Ask Iterable's support "
            "about it, naming the endpoint lists/getUsers.",
            trouble.reason,
            kind,
        )


def _unavailable(trouble: str) -> UnavailableError:
    return UnavailableError(Trouble(trouble, _kind(trouble)))


def _kind(reason: str) -> str:
    """What is the same in all reasons of a kind."""
    return reason.partition(" (")[0]


def _kind_and_advice(troubles: Sequence[Trouble]) -> tuple[FailureType, str]:
    """How the platform takes it that lists are missing, and what to do: time can help if it can help one of them."""
    errors = [one.error for one in troubles if isinstance(one.error, AirbyteTracedException)]
    lasting = [error for error in errors if error.failure_type is not FailureType.transient_error]
    if len(lasting) < len(troubles):
        return (
            FailureType.transient_error,
            "If another attempt ends at the same lists, report that to Iterable's support.",
        )
    latest = lasting[-1]
    _, _, advice = str(latest.message).partition(". ")
    return latest.failure_type, advice


def _listed(ids: Sequence[int]) -> str:
    """``ids`` for people: `3, 5 to 9`."""
    return ", ".join(str(one) if isinstance(one, int) else f"{one[0]} to {one[1]}" for one in spans(ids))
