"""Columns of user profiles: of Iterable's own fields, and of those that a project has added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from source_iterable.records.columns import IN_TWO_SHAPES, destination_name
from source_iterable.streams.columns.common import of_each
from source_iterable.streams.schema import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    TIMESTAMP,
    Column,
    ColumnSet,
    array,
    boolean,
    json_object,
    text,
    text_or_json,
    timestamp,
)

PROFILE = ColumnSet(
    {
        "email": text("Email address of the person; may be missing in projects that identify people by user id."),
        "userId": text("User id that your own systems gave the person."),
        "itblUserId": text("Iterable's own id of the profile."),
        "profileUpdatedAt": timestamp("When the profile last changed."),
        "signupDate": timestamp("When the person signed up."),
        "signupSource": text("How the person came into the project, such as ListAPI, Import or API."),
        "emailListIds": array(
            INTEGER,
            "Ids of the standard lists that the person is on, in projects that identify people by email; they "
            "point to `id` in `lists`.",
        ),
        "userListIds": array(
            INTEGER,
            "Ids of the standard lists that the person is on, in projects that identify people by user id; they "
            "point to `id` in `lists`.",
        ),
        "subscribedMessageTypeIds": array(
            INTEGER, "Ids of the message types that the person subscribed to; they point to `id` in `message_types`."
        ),
        "unsubscribedMessageTypeIds": array(
            INTEGER, "Ids of the message types that the person left; they point to `id` in `message_types`."
        ),
        "unsubscribedChannelIds": array(
            INTEGER, "Ids of the channels that the person left; they point to `id` in `channels`."
        ),
        "phoneNumber": text("Phone number of the person."),
        "whatsAppPhoneNumber": text("WhatsApp number of the person."),
        "phoneNumberDetails": json_object(
            "What Iterable knows of the phone number, such as carrier and line type; null where it is sent field "
            "by field."
        ),
        "phoneNumberDetails.carrier": array(
            STRING, "Carriers of the phone number, where Iterable sends each detail by itself."
        ),
        "phoneNumberDetails.lineType": array(
            STRING,
            "Line types of the phone number, such as mobile or landline, where Iterable sends each detail by itself.",
        ),
        "phoneNumberDetails.countryCodeISO": array(
            STRING, "Countries of the phone number, as ISO codes, where Iterable sends each detail by itself."
        ),
        "phoneNumberDetails.updatedAt": array(
            TIMESTAMP, "When each of the details was last looked up, where Iterable sends each detail by itself."
        ),
        "receivedSMSDisclaimer": boolean("Whether the person has been sent the first text message's legal notice."),
        "knownLitigatorFilter": boolean("Whether the phone number is held back as that of a known litigator."),
        "devices": array(
            OBJECT,
            "Mobile devices of the person: token, platform, application and whether notifications can reach it; "
            "null where they are sent field by field.",
        ),
        "devices.token": of_each(STRING, "Push tokens of the devices"),
        "devices.platform": of_each(STRING, "Push platforms of the devices, such as APNS or GCM"),
        "devices.platformEndpoint": of_each(STRING, "Addresses of the devices at the push service"),
        "devices.applicationName": of_each(STRING, "Names of the push integrations of the devices"),
        "devices.endpointEnabled": of_each(BOOLEAN, "Whether notifications can reach each device"),
        "devices.deviceId": of_each(STRING, "Ids of the devices"),
        "devices.appPackageName": of_each(STRING, "Package names of the apps on the devices"),
        "devices.appVersion": of_each(STRING, "Versions of the apps on the devices"),
        "devices.appBuild": of_each(STRING, "Builds of the apps on the devices"),
        "devices.iterableSdkVersion": of_each(STRING, "Versions of Iterable's SDK in the apps on the devices"),
        "browserTokens": array(STRING, "Tokens by which web push messages reach the person's browsers."),
        "locale": text("Language and country of the person, such as en-US."),
        "timeZone": text("Time zone of the person, such as Europe/Paris."),
        "ip": text("IP address, version 4 or 6, that the person was last seen at."),
        "city": text("City of the person."),
        "region": text("Region of the person, as a name or a code."),
        "country": text("Country of the person."),
        "profile": text_or_json(
            "Profile text or address that your own systems stored for the person; an object is JSON text."
        ),
        "itblInternal.emailDomain": text("Domain of the email address."),
        "itblInternal.phoneCountry": text("Country of the phone number."),
        "itblInternal.phoneType": text("Kind of phone number, such as mobile or landline."),
        "itblInternal.isUnknownUser": boolean("Whether the profile is that of a visitor who has not been identified."),
        "itblInternal.documentCreatedAt": timestamp("When Iterable first stored the profile."),
        "itblInternal.documentUpdatedAt": timestamp("When Iterable last changed the stored profile."),
        "itblDS.brandAffinityLabel": text("How strongly the person is drawn to your brand, in Iterable's judgement."),
        "itblDS.predictiveGoals": text_or_json(
            "Iterable's predictions for the goals that your project set; an object is JSON text."
        ),
    }
)

OBJECTS: Column = {"type": ["null", "array"], "items": OBJECT}
# The types that users/getFields tells, as JSON schema has them. Of a field that holds lists it tells the type of the
# elements; `array` is named by an older help article alone.
PROFILE_TYPES: Mapping[str, Column] = {
    "string": STRING,
    "long": INTEGER,
    "double": NUMBER,
    "boolean": BOOLEAN,
    "date": TIMESTAMP,
    "object": OBJECT,
    "geo_location": OBJECT,
    "nested": OBJECTS,
    "array": {"type": ["null", "array"], "items": {}},
}


def profile_columns(fields: Mapping[str, str], fixed: Collection[str]) -> dict[str, Column]:
    """The columns for a project's own profile ``fields``.

    A destination lower-cases names and replaces what is no letter or digit: fields that it would take for
    the same column, or for one of the ``fixed``, get none and stay in `dataFields`. An object whose fields
    are told one by one (`address`, `address.city`) is declared by those alone; the fields inside an array
    of objects or a location are part of that column. What Iterable sends in one of two shapes (`devices`) has
    columns for both. A type that Iterable adds later stays in `dataFields` as well.
    """
    taken = {destination_name(name) for name in fixed}
    parents = {name[:at] for name in fields for at, character in enumerate(name) if character == "."}
    whole = {name for name, kind in fields.items() if kind in {"nested", "array", "geo_location"}} - IN_TWO_SHAPES
    wanted = {
        name: _profile_column(name, kind)
        for name, kind in fields.items()
        if kind in PROFILE_TYPES
        and (name in IN_TWO_SHAPES or not (kind == "object" and name in parents))
        and not any(name.startswith(f"{parent}.") for parent in whole)
    }
    wanted |= {name: OBJECTS for name in IN_TWO_SHAPES & parents if name not in fields}
    counts = Counter(destination_name(name) for name in wanted)
    return {
        name: {**wanted[name], "description": "A profile field of this project."}
        for name in sorted(wanted)
        if counts[destination_name(name)] == 1 and destination_name(name) not in taken
    }


def _profile_column(name: str, kind: str) -> Column:
    """The type of the column of a profile field, which Iterable tells as ``kind``."""
    parent, dot, _ = name.partition(".")
    if parent not in IN_TWO_SHAPES:
        return PROFILE_TYPES[kind]
    if dot and kind not in {"array", "nested"}:
        return {"type": ["null", "array"], "items": PROFILE_TYPES[kind]}
    return OBJECTS if kind == "object" else PROFILE_TYPES[kind]
