"""How far a stream was read: the state of streams that are read in windows or days.

The state is `{cursor field: the end of what was delivered, "settled": from where the next sync resumes}`. Records that
Iterable reports late may still appear between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

SETTLED = "settled"

Point = TypeVar("Point", date, datetime)


@dataclass(frozen=True)
class Checkpoint(Generic[Point]):
    """How far a stream was read.

    Attributes:
        cursor: Up to where everything was delivered; None if nothing was.
        settled: Before which no late record is expected any more; None if nothing was delivered.
    """

    cursor: Point | None = None
    settled: Point | None = None

    @classmethod
    def parse(
        cls,
        state: Mapping[str, Any],
        cursor_field: str,
        read: Callable[[Any], Point],
        settle: Callable[[Point], Point],
    ) -> Checkpoint[Point]:
        """The checkpoint that ``state`` holds.

        Args:
            state: The saved state.
            cursor_field: The key of the cursor.
            read: Reads a point in time.
            settle: What was settled at a cursor, for states of other connectors, which have nothing but the cursor.

        Raises:
            UnreadableCheckpointError: If one of both is not a point in time.
        """
        key = cursor_field
        try:
            cursor = None if state.get(key) is None else read(state[key])
            before = None if cursor is None else settle(cursor)
            key = SETTLED
            return cls(cursor, before if state.get(key) is None else read(state[key]))
        except (OverflowError, TypeError, ValueError) as error:
            raise UnreadableCheckpointError(key) from error

    def advanced(self, cursor: Point, settled: Point) -> Checkpoint[Point]:
        """The checkpoint once everything before ``cursor`` was delivered; what is settled stays so."""
        return Checkpoint(cursor, settled if self.settled is None else max(settled, self.settled))

    def state(self, cursor_field: str, write: Callable[[Point], str]) -> MutableMapping[str, Any]:
        """The state that holds this checkpoint."""
        points = {cursor_field: self.cursor, SETTLED: self.settled}
        return {key: write(point) for key, point in points.items() if point is not None}


class UnreadableCheckpointError(ValueError):
    """What a state holds under ``key`` is not a point in time."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key
