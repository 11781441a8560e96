"""The people of a project: who they are, and their profiles as an export shows them."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any

from faker import Faker

Row = dict[str, Any]

POOL = 120
"""Distinct names, towns and so on; people are combinations of them."""

LOCALES = ["en_US", "de_DE", "fr_FR", "pt_BR", "pl_PL", "ja_JP"]

FIELDS = {
    # Iterable's own
    "email": "string",
    "userId": "string",
    "itblUserId": "string",
    "profileUpdatedAt": "date",
    "signupDate": "date",
    "signupSource": "string",
    "emailListIds": "long",
    "unsubscribedChannelIds": "long",
    "unsubscribedMessageTypeIds": "long",
    "subscribedMessageTypeIds": "long",
    "devices": "object",
    "devices.token": "string",
    "devices.platform": "string",
    "devices.platformEndpoint": "string",
    "devices.applicationName": "string",
    "devices.endpointEnabled": "boolean",
    "devices.appVersion": "string",
    "devices.pushSound": "string",  # one that is not documented
    "phoneNumber": "string",
    "phoneNumberDetails": "object",
    "phoneNumberDetails.carrier": "string",
    "phoneNumberDetails.lineType": "string",
    "phoneNumberDetails.countryCodeISO": "string",
    "phoneNumberDetails.updatedAt": "date",
    "locale": "string",
    "timeZone": "string",
    "ip": "string",
    "city": "string",
    "region": "string",
    "country": "string",
    "itblInternal.emailDomain": "string",
    "itblInternal.documentCreatedAt": "date",
    "itblInternal.documentUpdatedAt": "date",
    # the project's
    "firstName": "string",
    "lastName": "string",
    "Favorite Color": "string",
    "loyaltyPoints": "long",
    "averageOrder": "double",
    "isVip": "boolean",
    "birthday": "date",
    "lastVisit": "date",
    "address": "object",
    "address.city": "string",
    "address.zip": "string",
    "preferences.newsletter": "boolean",
    "preferences.maxPerWeek": "long",
    "orders": "nested",
    "orders.sku": "string",
    "orders.price": "double",
    "tags": "string",
    "favoriteNumbers": "long",
    "shoppingCartItems": "object",
    "shoppingCartItems.id": "string",
    "shoppingCartItems.price": "double",
    "shoppingCartItems.quantity": "long",
    "itblDS.predictiveGoals.purchase": "double",
    "home_geo_location": "geo_location",
    "Industry": "string",
    "industry": "string",
    "offers.Intro APR": "string",
}
"""The answer of users/getFields in an email-based project; one field of the profiles, `legacyScore`, is not in it.

Of a field that holds lists it tells the type of the elements.
"""


def fields(project_type: str) -> dict[str, str]:
    """The answer of users/getFields in a project of that type."""
    names = {} if project_type == "email" else {"emailListIds": "userListIds"}
    return {names.get(name, name): kind for name, kind in FIELDS.items()}


def wire_time(seconds: float) -> str:
    """A timestamp as exports write it: ``2021-04-14 16:41:09 +00:00``."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S +00:00")


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


def profile(people: People, number: int, updated: int, version: int = 0) -> Row:
    """The profile of a person, last changed at ``updated`` (Unix time), as the user export sends it.

    The first profile has nearly every field, the next ones each their peculiarity; ``version`` counts
    the changes.
    """
    person = people[number]
    rng = Random(f"{people.seed}:profile:{number}:{version}")
    joined = updated - rng.randrange(1, 400 * 86400)
    lists = "emailListIds" if people.project_type == "email" else "userListIds"
    row: Row = {
        **email_of(person, number),
        "itblUserId": person.itbl_user_id,
        "profileUpdatedAt": wire_time(updated),
        "signupDate": wire_time(joined),
        "signupSource": rng.choice(["ListAPI", "Import", "API"]),
        lists: sorted(rng.sample(range(949810, 949820), rng.randrange(3))),
        "itblInternal.documentCreatedAt": wire_time(joined + rng.randrange(20)),
        "itblInternal.documentUpdatedAt": wire_time(updated + rng.randrange(300)),
        "firstName": person.first_name,
        "lastName": person.last_name,
        "loyaltyPoints": rng.randrange(10_000) + version,
    }
    if person.user_id:
        row["userId"] = person.user_id
    if person.has_email:
        row["itblInternal.emailDomain"] = person.email.partition("@")[2]
    for part in (_contact, _custom, _odd):
        row.update(part(people, number, rng))
    return row


def email_of(person: Person, number: int) -> Row:
    """The email address as rows have it; of a person without one, a null in every other row."""
    if person.has_email:
        return {"email": person.email}
    return {"email": None} if number // 4 % 2 else {}


def _contact(people: People, number: int, rng: Random) -> Row:
    """Where and how the person is reached: the fields that Iterable itself knows."""
    person, row = people[number], {}
    if number % 3 == 0:
        row.update(
            {
                "phoneNumber": f"+1555{rng.randrange(10**7):07d}",
                "whatsAppPhoneNumber": f"+1555{rng.randrange(10**7):07d}",
                "phoneNumberDetails": {
                    "carrier": "Sandbox Mobile",
                    "lineType": "mobile",
                    "countryCodeISO": "US",
                    "updatedAt": "2024-01-01 00:00:00 +00:00",
                },
                "receivedSMSDisclaimer": rng.random() < 0.5,
                "knownLitigatorFilter": False,
                "itblInternal.phoneCountry": "US",
                "itblInternal.phoneType": "mobile",
                "devices": [
                    {
                        "token": f"{rng.getrandbits(128):032x}",
                        "platform": "APNS",
                        "platformEndpoint": "arn:example:endpoint/1",
                        "applicationName": "com.example.app",
                        "endpointEnabled": True,
                    }
                ],
                "browserTokens": [f"{rng.getrandbits(64):016x}"],
                "locale": "en-US",
                "timeZone": "America/New_York",
                "profile": {"url": "https://example.com/profile"} if number % 9 == 3 else "https://example.com/profile",
                "itblInternal.isUnknownUser": False,
                "itblDS.brandAffinityLabel": rng.choice(["Loyal", "Neutral", "Negative"]),
                "itblDS.predictiveGoals": {"purchase": 0.7} if number % 9 == 3 else "purchase: high",
                "unsubscribedChannelIds": [39582],
                "unsubscribedMessageTypeIds": [47258],
                "subscribedMessageTypeIds": [47259, 47260],
                "userListIds": [949810],
            }
        )
    elif number % 3 == 1:
        row.update({"phoneNumber": None, "devices": [], "unsubscribedChannelIds": [], "locale": None})
    row.update({"ip": person.ip, "city": person.city, "region": person.region, "country": person.country})
    return row


def _by_field(number: int, rng: Random) -> Row:
    """What others have as objects, field by field: a list for each, in no common order; a detail may be alone."""
    details = {"carrier": "Other Mobile", "lineType": "landline", "countryCodeISO": "US"}
    details["updatedAt"] = "2024-01-02 00:00:00 +00:00"
    devices: Row = {
        "token": [f"{rng.getrandbits(64):016x}", f"{rng.getrandbits(64):016x}"],
        "platform": ["GCM", "APNS"],
        "platformEndpoint": ["arn:example:endpoint/2"],
        "applicationName": ["com.example.app"],
        "endpointEnabled": [False, True],
        "deviceId": [f"{rng.getrandbits(64):016x}"],
        "appPackageName": ["com.example.app"],
        "appVersion": "1.2.3" if number % 8 == 5 else ["1.2.3", "1.2.4"],
        "appBuild": ["77"],
        "iterableSdkVersion": ["3.5.0", None],
        "pushSound": ["chime"],
    }
    return {
        **{f"phoneNumberDetails.{name}": value for name, value in details.items()},
        **{f"devices.{name}": value for name, value in devices.items()},
        "shoppingCartItems.id": ["p-1", "p-2"],
        "shoppingCartItems.price": [1.5, 2],
        "shoppingCartItems.quantity": 3 if number % 8 == 5 else [3, 1],
        "itblDS.predictiveGoals.purchase": round(rng.random(), 3),
    }


def _custom(people: People, number: int, rng: Random) -> Row:
    """The project's own fields: every type of users/getFields, some on every other profile only."""
    person, row = people[number], {}
    if number % 2 == 0:
        row.update(
            {
                "Favorite Color": rng.choice(["red", "sea green", "ultra violet"]),
                "averageOrder": round(rng.uniform(5, 500), 2),
                "isVip": rng.random() < 0.3,
                "address": {"city": person.city, "zip": f"{rng.randrange(10**5):05d}", "geo": {"floor": 3}},
                "orders": [{"sku": f"SKU-{rng.randrange(99)}", "price": round(rng.uniform(1, 90), 2)}],
                "tags": [people.word(rng), people.word(rng)] if number % 4 == 0 else people.word(rng),
                "favoriteNumbers": [rng.randrange(9), rng.randrange(9)] if number % 4 == 2 else rng.randrange(9),
                "shoppingCartItems": [{"id": "p-1", "price": 1.5, "quantity": 2, "colour": "red"}],
                "home_geo_location": {
                    "lat": round(rng.uniform(-90, 90), 5),
                    "lon": round(rng.uniform(-180, 180), 5),
                },
                "Industry": person.company,
                "industry": people.word(rng),
                "legacyScore": round(rng.random(), 3),
            }
        )
    if number % 4 != 2:
        row.update({"preferences.newsletter": bool(number % 2), "preferences.maxPerWeek": rng.randrange(1, 8)})
        row.update({"offers.Intro APR": f"{rng.randrange(2, 20)}.9%"})
    return row


def _odd(people: People, number: int, rng: Random) -> Row:
    """Values in the forms that dates take, and a few of another type than their field is declared."""
    day = f"{rng.randrange(1950, 2005)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
    row: Row = {
        "birthday": f"{day} 00:00:00 +00:00" if number % 3 == 0 else day,
        "lastVisit": [
            "2023-11-29 13:22:56",
            "2023-12-19T22:43:34.134Z",
            "2023-12-19T22:43:34.134105.000Z",
            "2023-12-19T22:43:34.134+02:00",
            "2023-12-19 22:43:34 +00:00",
            "last summer",
        ][number % 6],
    }
    if number % 4 == 1:
        row.update({"address.city": people[number].city, "address.zip": "00000", "orders.sku": ["A1", "B2"]})
        row.update({"orders.price": [1.5, 2], "Favorite Color": ["red", "grün"]})
        row.update(_by_field(number, rng))
    if number % 7 == 3:
        row.update({"loyaltyPoints": "many", "averageOrder": 12, "isVip": "yes", "tags": "single"})
    if number % 5 == 4:
        row.update({"birthday": None, "lastVisit": None, "isVip": None})
    return row
