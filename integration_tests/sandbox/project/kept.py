"""What a project keeps besides campaigns and templates: made when it is first looked at, changed from then on."""

import hashlib
from collections.abc import Callable
from copy import deepcopy
from functools import cached_property
from threading import RLock

from integration_tests.sandbox.data import catalogs, experiments, journeys, snippets
from integration_tests.sandbox.data.people import People
from integration_tests.sandbox.data.rows import Row
from integration_tests.sandbox.project.options import Size


class Kept:
    """The journeys, snippets, catalogs with their items, experiments and forgotten people of a project."""

    def __init__(self, people: People, size: Size, project_type: str, start: int, end: int, lock: RLock) -> None:
        """Make them between two Unix times, when they are requested."""
        self._people = people
        self._size = size
        self._project_type = project_type
        self._span = start, end
        self._lock = lock
        self._tables: dict[str, Callable[[], list[Row]]] = {
            "catalogs": lambda: self.catalogs,
            "catalog_items": lambda: [row for rows in self.items.values() for row in rows],
            "experiments": lambda: [experiments.listed(people, row) for row in self.experiments],
            "experiment_details": lambda: self.experiments,
            "forgotten": lambda: self.forgotten,
            "journeys": lambda: self.journeys,
            "snippets": lambda: self.snippets,
        }
        self.names = tuple(self._tables)

    def rows(self, table: str) -> list[Row]:
        """The rows of a table as they are sent, in the order in which they are."""
        with self._lock:
            return deepcopy(self._tables[table]())

    @cached_property
    def journeys(self) -> list[Row]:
        """The journeys, the archived ones too."""
        return journeys.journeys(self._people, self._size.journeys, *self._span)

    @cached_property
    def snippets(self) -> list[Row]:
        """The snippets."""
        return snippets.snippets(self._people, self._size.snippets, *self._span)

    @cached_property
    def catalogs(self) -> list[Row]:
        """The catalogs."""
        return catalogs.catalogs(self._size.catalogs)

    @cached_property
    def items(self) -> dict[str, list[Row]]:
        """The items by the name of their catalog."""
        names = [row["name"] for row in self.catalogs]
        return {name: catalogs.items(self._people, name, self._size.catalog_items, *self._span) for name in names}

    @cached_property
    def experiments(self) -> list[Row]:
        """The experiments in full."""
        return experiments.experiments(self._people, self._size.experiments, *self._span)

    @cached_property
    def forgotten(self) -> list[Row]:
        """Hashes of the addresses and user ids whose people were forgotten."""
        made = [("email", f" Forgotten.{number}@example.com") for number in range(self._size.forgotten)]
        made += [("userId", f"gone-{number} ") for number in range(self._size.forgotten)]
        not_in = {"email": "userid", "userId": "email"}
        return [forgotten(kind, value) for kind, value in made if self._project_type != not_in[kind]]


def forgotten(identifier: str, value: str) -> Row:
    """What remains of somebody forgotten: the SHA-256 of the trimmed value in lower case."""
    return {"identifier": identifier, "hash": hashlib.sha256(value.strip().lower().encode()).hexdigest()}
