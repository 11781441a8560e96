"""What the members of a project may do to it."""

from collections.abc import Callable
from typing import Any

from integration_tests.sandbox import Sandbox

CHANGES = (
    "profile",
    "campaign",
    "campaign ends",
    "campaign continues",
    "campaign comes",
    "campaign goes",
    "template",
    "template comes",
    "template goes",
    "list goes",
    "journey",
    "journey is archived",
    "journey comes",
    "journey goes",
    "snippet",
    "item",
    "item comes",
    "item goes",
    "experiment comes",
    "experiment goes",
    "person is forgotten",
)
AT_ONCE = (
    "profile",
    "campaign",
    "campaign continues",
    "template",
    "template comes",
    "list goes",
    "journey",
    "journey comes",
    "snippet",
    "item",
    "item comes",
    "experiment goes",
)
"""What they do in the middle of a sync, each once; a template that is edited twice may show one half of each time."""


def change(sandbox: Sandbox, what: str, number: int) -> None:
    """Do one of `CHANGES` to the thing of that number, if there is one."""
    identifier = "userId" if sandbox.options.project_type == "userid" else "email"

    def one(table: str, key: str = "id") -> Any:
        rows = sandbox.truth(table)
        return rows[number % len(rows)][key] if rows else None

    running = [row["id"] for row in sandbox.truth("campaigns") if "endedAt" not in row] or [None]
    item = one("catalog_items", "itemId"), one("catalog_items", "catalogName")
    actions: dict[str, tuple[Any, Callable[..., object]]] = {
        "profile": (number, sandbox.change_user),
        "campaign": (one("campaigns"), sandbox.edit_campaign),
        "campaign ends": (one("campaigns"), sandbox.finish_campaign),
        "campaign continues": (running[number % len(running)], sandbox.advance_campaign),
        "campaign comes": (number, lambda _: sandbox.add_campaign()),
        "campaign goes": (one("campaigns"), sandbox.delete_campaign),
        "template": (one("templates", "templateId"), sandbox.edit_template),
        "template comes": (number, lambda _: sandbox.add_template()),
        "template goes": (one("templates", "templateId"), sandbox.delete_template),
        "list goes": (one("lists"), sandbox.delete_list),
        "journey": (one("journeys"), sandbox.edit_journey),
        "journey is archived": (one("journeys"), sandbox.archive_journey),
        "journey comes": (number, lambda _: sandbox.add_journey()),
        "journey goes": (one("journeys"), sandbox.delete_journey),
        "snippet": (one("snippets"), sandbox.edit_snippet),
        "item": (item[0], lambda key: sandbox.edit_catalog_item(item[1], key)),
        "item comes": (one("catalogs", "name"), sandbox.add_catalog_item),
        "item goes": (item[0], lambda key: sandbox.delete_catalog_item(item[1], key)),
        "experiment comes": (number, lambda _: sandbox.add_experiment()),
        "experiment goes": (one("experiments"), sandbox.delete_experiment),
        "person is forgotten": (f"gone.{sandbox.now:%j%H%M%S%f}", lambda who: sandbox.forget(identifier, who)),
    }
    which, act = actions[what]
    if which is not None:
        act(which)
