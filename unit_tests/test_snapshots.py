"""The catalog that `discover` shows, as it is committed: a change to a schema is a diff to review."""

import json
import logging
from typing import Any

from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, Type

from integration_tests.sandbox import Sandbox, Size
from source_iterable import SourceIterable
from tools.acceptance_files import SNAPSHOT, snapshot


def test_the_discovered_catalog_is_the_committed_one(settings: dict[str, Any], requests_mock: Any) -> None:
    requests_mock.get(
        "https://api.iterable.com/api/users/getFields", json={"fields": Sandbox(size=Size.smallest()).project.fields}
    )

    catalog = SourceIterable().discover(logging.getLogger("airbyte"), settings)

    message = AirbyteMessageSerializer.dump(AirbyteMessage(type=Type.CATALOG, catalog=catalog))
    assert snapshot(json.loads(json.dumps(message))["catalog"]) == SNAPSHOT.read_text("utf-8"), (
        "where the change is meant: make docs"
    )
