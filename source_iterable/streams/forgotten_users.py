"""The stream of forgotten users, whose answers have millions of hashes in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import ClassVar

import requests

from source_iterable.api.body import Body
from source_iterable.api.errors import DeniedError, RequestRejected
from source_iterable.records.json_arrays import UnexpectedJsonError, array_in
from source_iterable.records.json_lines import Row, as_text
from source_iterable.streams.base import IterableStream
from source_iterable.streams.repeats import KeySet
from source_iterable.streams.schema import ColumnSet, text

REFUSALS: Mapping[int, int] = {400: 1, 404: 1, 409: 1}  # and 403, once it lasts
MAX_BYTES = 16_000_000_000
"""Bytes of an answer, some 240 million hashes: what is larger is not a list of users."""


class ForgottenUsers(IterableStream):
    """One user whose data Iterable was asked to forget, as a hash; the only sign of a deletion that Iterable gives."""

    endpoint = "users/forgotten"
    primary_key = ["identifier", "hash"]  # noqa: RUF012 - the CDK's property is replaced
    columns = ColumnSet(
        {
            "identifier": text("What was hashed: email or userId."),
            "hash": text("SHA-256, in hex, of the lower-cased address or user id without white space around it."),
        }
    )

    # Where, under which key, and what was hashed. A project that does not identify users by the one or the
    # other refuses that one; with which status is not documented.
    SOURCES: ClassVar = (
        ("users/forgotten", "hashedEmails", "email"),
        ("users/forgottenUserIds", "hashedUserIds", "userId"),
    )

    def rows(self) -> Iterable[Row]:
        """The hashes of addresses, then those of user ids, each once."""
        refused: list[Exception] = []
        for path, key, identifier in self.SOURCES:
            policy = self.retry_policy(
                f"the listing of forgotten users by {identifier}",
                rejects=REFUSALS,
                receive=lambda response: Body.receive(response, reservation=self.reservation(), largest=MAX_BYTES),
            )
            try:
                body = self.api.get(path, {}, policy, self.name)
            except RequestRejected as rejected:
                refused.append(rejected)
                continue
            except DeniedError as denied:
                if denied.answer.status != requests.codes.forbidden:
                    raise
                refused.append(denied)
                continue
            with closing(body):
                for value in self._distinct(body, key):
                    yield {"identifier": identifier, "hash": value}
        if len(refused) == len(self.SOURCES):
            if isinstance(refused[0], DeniedError):
                raise refused[0]
            raise self.unexpected(f"{refused[0]} for forgotten addresses and user ids alike")

    def _distinct(self, body: Body, key: str) -> Iterator[str]:
        """The hashes under ``key``, each once.

        They are read twice: first all of them, which proves that they are a list and finds those that may come twice,
        at five bytes of memory each; these few are then compared exactly.
        """
        known, repeated = KeySet(), set()
        for value in self._hashes(body, key):
            if value in known:
                repeated.add(value)
            else:
                known.add(value)
        del known
        emitted: set[str] = set()
        for value in self._hashes(body, key):
            if value in repeated:
                if value in emitted:
                    continue
                emitted.add(value)
            yield value

    def _hashes(self, body: Body, key: str) -> Iterator[str]:
        try:
            with body.opened() as opened:
                yield from map(as_text, array_in(opened, key))
        except UnexpectedJsonError as error:
            raise self.unexpected(str(error)) from error
