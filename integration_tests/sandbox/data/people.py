"""The people of a project: who they are, and their profiles as an export shows them."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from faker import Faker

from integration_tests.sandbox.data.rows import Row

POOL = 120
"""Distinct names, towns and so on; people are combinations of them."""

LOCALES = ["en_US", "de_DE", "fr_FR", "pt_BR", "pl_PL", "ja_JP"]


@dataclass(frozen=True, slots=True)
class Person:
    """One person, and the browser that they read mail in."""

    email: str
    """Where they are reached; the project knows it if `has_email`."""
    has_email: bool
    user_id: str | None
    """The id that the project's owner gave them."""
    itbl_user_id: str
    first_name: str
    last_name: str
    city: str
    region: str
    country: str
    ip: str
    user_agent: str
    device: str
    company: str

    def member(self, *, prefer_user_id: bool) -> str:
        """What stands for them in the members of a list."""
        return self.user_id if self.user_id and (prefer_user_id or not self.has_email) else self.email


class People:
    """Everyone a project knows; the n-th person is the same whenever requested.

    How people are told apart goes by the type of the project:

    - ``email``: all have an email address, a few anonymous ones a placeholder; some have a user id, which two
      people may share.
    - ``userid``: all have a user id; some have no email address, and some share one.
    - ``hybrid``: everybody has one of the two or both, shared with nobody.
    """

    def __init__(self, seed: int, project_type: str = "email") -> None:
        """Draw the names and places that people are made of from ``seed``."""
        self.seed = seed
        self.project_type = project_type
        self._fakers = Faker(LOCALES)
        self._fakers.seed_instance(seed)
        english = self._fakers["en_US"]
        self._names = [(self._fakers.first_name(), self._fakers.last_name()) for _ in range(POOL)]
        self._places = [(english.city(), english.state_abbr(), english.country()) for _ in range(POOL)]
        self._places[:3] = [
            ("São Paulo", "SP", "Brazil"),
            ("Kyiv", "30", "Ukraine"),
            ("Zürich", "ZH", "Switzerland"),
        ]
        self._agents = [english.user_agent() for _ in range(POOL)]
        self._companies = [english.company() for _ in range(POOL)]
        self._words = [english.word() for _ in range(POOL)]
        self._known: dict[int, Person] = {}

    def __getitem__(self, number: int) -> Person:
        """The person of that number, from 0."""
        person = self._known.get(number)
        if person is None:
            person = self._known[number] = self._make(number)
        return person

    def word(self, rng: Random) -> str:
        """Any word."""
        return rng.choice(self._words)

    def _make(self, number: int) -> Person:
        rng = Random(f"{self.seed}:person:{number}")
        first, last = rng.choice(self._names)
        city, region, country = self._places[number % 3 if number < 6 else rng.randrange(POOL)]
        domain = rng.choice(["example.com", "example.org", "mail.example.net"])
        if number == 1:
            domain = "exämple.com"
        handle = "".join(c for c in f"{first}.{last}".lower() if c.isascii() and (c.isalnum() or c == "."))
        email, has_email, user_id = self._identity(number, f"{handle.strip('.') or 'someone'}.{number}@{domain}")
        return Person(
            email=email,
            has_email=has_email,
            user_id=user_id,
            itbl_user_id=hashlib.md5(f"{self.seed}:{number}".encode(), usedforsecurity=False).hexdigest(),
            first_name=first,
            last_name=last,
            city=city,
            region=region,
            country=country,
            ip=f"203.0.113.{rng.randrange(256)}" if number % 4 else f"2001:db8::{rng.randrange(65536):x}",
            user_agent=rng.choice(self._agents),
            device=rng.choice(["Gmail", "Windows", "Linux", "Other", "iPhone"]),
            company=rng.choice(self._companies),
        )

    def _identity(self, number: int, address: str) -> tuple[str, bool, str | None]:
        """The email address of a person, whether the project knows it, and the user id."""
        if self.project_type == "userid":
            return self[number - 1].email if number % 4 == 3 else address, number % 4 != 1, f"u-{number}"
        if self.project_type == "hybrid":
            return address, number % 3 != 2, None if number % 3 == 1 else f"u-{number}"
        anonymous, sharing = number % 11 == 7, number % 10 == 4
        user_id = None if number % 3 == 2 else f"u-{number - sharing}"
        return f"anonymous-{number}@placeholder.email" if anonymous else address, True, user_id


@lru_cache(maxsize=16)
def drawn(seed: int, project_type: str) -> People:
    """The people that ``seed`` draws, which takes most of the time of making a project: nothing changes them."""
    return People(seed, project_type)


def email_of(person: Person, number: int) -> Row:
    """The email address as rows have it; of a person without one, a null in every other row."""
    if person.has_email:
        return {"email": person.email}
    return {"email": None} if number // 4 % 2 else {}


def seeded(people: People, *what: object) -> Random:
    """The dice with which one thing of a project is made, whenever it is made."""
    return Random(":".join(map(str, (people.seed, *what))))
