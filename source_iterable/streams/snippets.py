"""The stream of snippets."""

from __future__ import annotations

from typing import ClassVar

from source_iterable.streams.changing import ChangingStream
from source_iterable.streams.columns.common import DATA_FIELDS, RECORD_TIMES
from source_iterable.streams.schema import STRING, array, integer, text


class Snippets(ChangingStream):
    """One snippet: a piece of content that templates share."""

    endpoint = "snippets"
    records_key = "snippets"
    primary_key = "id"
    columns = (
        {
            "id": integer("Id of the snippet."),
            "name": text("Name of the snippet."),
            "description": text("Description that members of the project gave it."),
            "content": text("The content, as templates take it in."),
            "variables": array(STRING, "Names of the variables that the content uses."),
            "projectId": integer("Id of the project."),
            "createdBy": text("Member of the project who created it."),
            "updatedBy": text("Member of the project who last edited it."),
        }
        | RECORD_TIMES
        | DATA_FIELDS
    )
    first_page: ClassVar = {}
