"""The profiles of a project's people, as the user export shows them, and their fields."""

from random import Random

from integration_tests.sandbox.data.people import People, email_of
from integration_tests.sandbox.data.rows import Row, wire_time

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
