"""The stream of list members: `GET lists/getUsers`, one list a request, one member a line.

Lists come in any order, and one that fails is requested again after all others (prefetch/items.py). The
state says which lists were delivered (full_refresh.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_iterable import messages
from source_iterable.api.body import Body
from source_iterable.api.errors import RequestRejected
from source_iterable.api.patience import NO_PATIENCE, SHORT_PATIENCE
from source_iterable.api.rate_limits import LIST_USERS_PATH
from source_iterable.api.retry import RetryPolicy
from source_iterable.exceptions import DiskFullError, TooLargeError
from source_iterable.prefetch import plans
from source_iterable.prefetch.item_failures import ItemFailure, ItemRetryPolicy, UnavailableError
from source_iterable.prefetch.items import ItemList, ItemPlan
from source_iterable.progress import duration
from source_iterable.records.json_lines import Row
from source_iterable.reservation import Reservation
from source_iterable.streams.base import HEARTBEAT, Slice, Turn
from source_iterable.streams.full_refresh import ResumedStream, Run
from source_iterable.streams.id_ranges import in_words, parse_ranges, ranges
from source_iterable.streams.prefetched import PrefetchedStream
from source_iterable.streams.profile_fields import identifies_by_email, profile_fields
from source_iterable.streams.schema import ColumnSet, generated, integer, text

RETRIES = ItemRetryPolicy()
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
    # In projects that do not identify users by email, two members may share an address: their ids are requested.
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
        policy = RETRIES.scaled(self.api.scaled)
        self._plan = plan = ItemPlan(self.name, self.endpoint, "list", self.lists, self.download, self.probe, policy)
        if run.is_finished:
            plan.slices.clear()
        return plan

    def parse_done(self, saved: object) -> set[int] | None:
        """The ids in ``saved``; None if it contains anything else."""
        return parse_ranges(saved)

    def lists(self) -> ItemList:
        """The ids of all lists, in order; called on a thread of the prefetcher."""
        try:
            ids = self._list_ids()
        except AirbyteTracedException as error:
            raise self._unavailable(error, "the list of lists ") from error
        complete = self._complete & set(ids)
        left = [list_id for list_id in ids if list_id not in complete]
        seconds = self.api.seconds_a_request(self.endpoint)
        self.logger.info(
            "%s: %d lists, one request each%s; at %.3g s a request that takes %s at the least.",
            self.name, len(ids), f", {len(complete)} of them delivered by an earlier attempt" if complete else "",
            seconds, duration(seconds * len(left)),
        )  # fmt: skip
        self._of, self._delivered = len(ids), len(complete)
        return ItemList(left, known_good=sorted(complete))

    def _list_ids(self) -> Sequence[int]:
        if not self._identifies_by_email():
            self._params = {"preferUserId": "true"}
        answer = self.request("lists", {}, self.retry_policy("the list of lists"))
        try:
            return sorted({int(entry["id"]) for entry in self.objects(answer, "lists", "id")})
        except ValueError as error:
            raise self.unexpected("a list whose id is not a number") from error

    def _identifies_by_email(self) -> bool:
        """Whether members are identified by email; assumed where the key has no access to the profile fields."""
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
            for slice_ in self.prefetched():
                if slice_ is None:
                    self._state = self._saved()
                    yield HEARTBEAT
                else:
                    yield {"listId": slice_.partition, "slice": slice_}
        except UnavailableError as error:
            raise error.failure.error or error from error
        run = self._prepared()
        missing = self._missing()
        if missing is None:
            self._state = run.finished(self.api.clock.now())
            yield HEARTBEAT
            return
        run.end(self.api.clock.now())
        self._state = self._saved()
        yield HEARTBEAT
        raise missing

    def records(self, stream_slice: Slice) -> Iterator[Row]:
        """The members of one downloaded list: its lines are email addresses or, in some projects, user ids, as sent."""
        slice_: plans.Slice[int] = stream_slice["slice"]
        record = self.selected_columns.record
        for line in slice_.body.lines():
            text = line.decode("utf-8", "replace")
            yield record({}, {"email": text, "userId": None if "@" in text else text, "listId": slice_.partition})

    def delivered(self, stream_slice: Slice, count: int) -> None:
        """Count the list among those that are complete."""
        slice_: plans.Slice[int] = stream_slice["slice"]
        self._complete.add(slice_.partition)
        self._state = self._saved()
        self._delivered += 1
        self.progress.part_done(
            f"list {slice_.partition}", count, slice_.body.size, slice_.seconds, self._delivered, self._of
        )

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
        return self._prepared().state(self.api.clock.now(), ranges(self._complete))

    # Requests

    def download(self, list_id: int, reservation: Reservation, is_first: bool) -> Body:
        """The members of a list, whole; called on a thread of the prefetcher.

        Raises:
            UnavailableError: If it is not available now.
            AirbyteTracedException: If no list is available.
        """
        policy = self.retry_policy(
            f"list {list_id}",
            patience=SHORT_PATIENCE,
            tries=MAX_ATTEMPTS if is_first else 1,
            on_exhausted=_unavailable,
            is_down=None,  # probes of other lists show what that means
            rejects=REJECTIONS,
            receive=lambda response: Body.receive(response, reservation=reservation),
        )
        return self._request(list_id, policy)

    def probe(self, list_id: int) -> None:
        """Request a list without reading it; called on a thread of the prefetcher.

        Raises:
            UnavailableError: If it is not available now.
            AirbyteTracedException: If no list is available.
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
            raise UnavailableError(ItemFailure(f"Iterable answers {answer}", answer, is_rejection=True)) from rejected
        except TooLargeError as error:
            larger = messages.LIST_OVER_LIMIT.error(self.name, str(error), list=list_id)
            reason = "it is larger than the disk limit"
            raise UnavailableError(ItemFailure(reason, "size", is_final=True, error=larger)) from error
        except AirbyteTracedException as error:
            raise self._unavailable(error, f"list {list_id} ") from error

    def _unavailable(self, error: AirbyteTracedException, subject: str) -> Exception:
        """The failure of one list in place of ``error``; ``error`` itself where it is about all of them."""
        if isinstance(error, DiskFullError) or error.failure_type is FailureType.config_error:
            return error
        sentence, _, _ = str(error.message).removeprefix(f"{self.name}: ").removeprefix(subject).partition(". ")
        reason = sentence.rpartition("; the last time ")[2]
        is_permanent = error.failure_type is not FailureType.transient_error
        return UnavailableError(ItemFailure(reason, _kind(reason), is_permanent=is_permanent, error=error))

    # The end

    def _missing(self) -> AirbyteTracedException | None:
        """Remark what is left out for good reasons; the error if anything is missing without."""
        plan = self._plan
        skipped = {list_id: failure for list_id, failure in plan.skipped.items() if failure.is_rejection}
        others = {list_id: failure for list_id, failure in plan.skipped.items() if not failure.is_rejection}
        outage = plan.outage_failure
        failures = [*skipped.values(), *others.values(), *([outage] if outage else [])]
        if failures and not self._delivered:
            return self._none_delivered(failures[-1])
        self._remark_skipped(skipped)
        if outage is not None:
            missing = sorted([*plan.missing, *others])
            return messages.LISTS_UNAVAILABLE.error(
                self.name,
                duration=duration(RETRIES.max_outage),
                reason=outage.reason,
                number=len(missing),
                all=self._of,
                lists=in_words(missing),
            )
        if not others:
            return None
        kind, advice = _kind_and_advice(list(others.values()))
        latest = list(others.values())[-1]
        return messages.LISTS_MISSING.error(
            self.name,
            failure_type=kind,
            number=len(others),
            all=self._of,
            lists=in_words(sorted(others)),
            reason=latest.reason,
            advice=advice,
        )

    def _remark_skipped(self, skipped: Mapping[int, ItemFailure]) -> None:
        by_reason: dict[str, list[int]] = {}
        for list_id, failure in skipped.items():
            by_reason.setdefault(failure.reason, []).append(list_id)
        for reason, ids in by_reason.items():
            if len(ids) == 1:
                self.progress.remark(messages.LIST_SKIPPED, list=ids[0], reason=reason)
            else:
                self.progress.remark(messages.LISTS_SKIPPED, lists=in_words(ids), reason=reason)

    def _none_delivered(self, latest: ItemFailure) -> AirbyteTracedException:
        """The error if not one list could be read."""
        if isinstance(latest.error, AirbyteTracedException) and not (latest.is_rejection or self._plan.outage_failure):
            return latest.error
        kind = FailureType.system_error if latest.is_rejection else FailureType.transient_error
        if not self._of:
            return messages.LISTING_UNAVAILABLE.error(
                self.name, failure_type=kind, duration=duration(RETRIES.max_outage), reason=latest.reason
            )
        return messages.NO_LIST_READ.error(self.name, failure_type=kind, all=self._of, reason=latest.reason)


def _unavailable(reason: str) -> UnavailableError:
    return UnavailableError(ItemFailure(reason, _kind(reason)))


def _kind(reason: str) -> str:
    """What is the same in all reasons of a kind."""
    return reason.partition(" (")[0]


def _kind_and_advice(failures: Sequence[ItemFailure]) -> tuple[FailureType, str]:
    """How the platform takes it that lists are missing, and what to do: time can help if it can help one of them."""
    errors = [one.error for one in failures if isinstance(one.error, messages.MessageError)]
    permanent = [error for error in errors if error.failure_type is not FailureType.transient_error]
    if len(permanent) < len(failures):
        return (
            FailureType.transient_error,
            "If another attempt ends at the same lists, report that to Iterable's support.",
        )
    return permanent[-1].failure_type, permanent[-1].advice
