"""The endpoints of lists and their members, of users' fields, and of the users who were forgotten."""

import re
from typing import Any

from aiohttp import web

from integration_tests.sandbox.data.ids import PROJECT_ID
from integration_tests.sandbox.http.answers import Answer, Handler, bad_params
from integration_tests.sandbox.project.project import Project


class Lists:
    """Answers these calls from a project."""

    def __init__(self, project: Project) -> None:
        """Serve ``project``."""
        self.project = project
        self.routes: list[tuple[str, Handler]] = [
            ("lists", lambda *_: Answer({"lists": project.lists})),
            ("lists/getUsers", self._list_members),
            ("users/forgotten", self._forgotten_emails),
            ("users/forgottenUserIds", self._forgotten_user_ids),
            ("users/getFields", lambda *_: Answer({"fields": project.fields})),
        ]

    def _list_members(self, request: web.Request, _: list[str]) -> Answer:
        text = request.query.get("listId", "")
        with self.project.lock:
            prefers = request.query.get("preferUserId", "").lower() == "true"
            known = self.project.members_by_user_id if prefers else self.project.members
            members = known.get(int(text)) if re.fullmatch(r"\d{1,18}", text) else None
        if members is None:
            params = {"projectId": str(PROJECT_ID), "listId": text}
            raise bad_params("Invalid email list id", params)
        batches = ([line.encode() for line in members[at : at + 1000]] for at in range(0, len(members), 1000))
        return Answer(lines=batches, newline_at_end=int(text) % 2 == 0)

    def _forgotten_emails(self, *_: Any) -> Answer:
        return self._forgotten("email", "hashedEmails", "userid")

    def _forgotten_user_ids(self, *_: Any) -> Answer:
        return self._forgotten("userId", "hashedUserIds", "email")

    def _forgotten(self, identifier: str, key: str, not_in: str) -> Answer:
        if self.project.options.project_type == not_in:
            raise bad_params(f"Projects of this type do not identify people by {identifier}")
        rows = self.project.kept.rows("forgotten")
        return Answer({key: [row["hash"] for row in rows if row["identifier"] == identifier]})
