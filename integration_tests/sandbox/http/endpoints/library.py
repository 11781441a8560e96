"""The endpoints of journeys, snippets, catalogs, metadata tables and experiments."""

from aiohttp import web

from integration_tests.sandbox.data import experiments
from integration_tests.sandbox.data.rows import Row
from integration_tests.sandbox.http.answers import Answer, ApiError, Handler, bad_params
from integration_tests.sandbox.http.endpoints.paging import Paging
from integration_tests.sandbox.http.endpoints.parameters import number, numbers, timestamp
from integration_tests.sandbox.project.project import Project
from integration_tests.sandbox.project.timestamps import FOR_EVER

JOURNEYS = Paging(name="journeys", total="totalJourneysCount", default=10, most=50)
CATALOGS = Paging(name="catalogNames", total="totalCatalogsCount", sortable=(), default=10, most=100)
ITEMS = Paging(name="catalogItemsWithProperties", total="totalItemsCount", sortable=(), default=10)
EXPERIMENTS_DEFAULT, EXPERIMENTS_MOST = 20, 100
MOST_OF_THE_CLIENT = 1000
"""The largest limit that the official client knows for the list of experiments; the documentation names another."""


class Library:
    """Answers these calls from a project."""

    def __init__(self, project: Project) -> None:
        """Serve ``project``."""
        self.project = project
        self.kept = project.kept
        self.routes: list[tuple[str, Handler]] = [
            ("catalogs", self._catalogs),
            ("catalogs/{}/items", self._items),
            ("experiments", self._experiments),
            ("experiments/{}", self._experiment),
            ("journeys", self._journeys),
            ("metadata", self._metadata_tables),
            ("metadata/{}", self._metadata_keys),
            ("metadata/{}/{}", self._metadata_value),
            ("snippets", lambda *_: Answer({"snippets": self.kept.rows("snippets")})),
        ]

    def _journeys(self, request: web.Request, _: list[str]) -> Answer:
        archived = "Archived" in request.query.getall("state", [])
        everything = self.kept.rows("journeys")
        rows = [row for row in everything if row["isArchived"] == archived]
        return Answer(JOURNEYS.page(request, rows, self.project, len(everything)))

    def _catalogs(self, request: web.Request, _: list[str]) -> Answer:
        return self._wrapped(CATALOGS.page(request, self.kept.rows("catalogs"), self.project))

    def _items(self, request: web.Request, arguments: list[str]) -> Answer:
        asked = arguments[0].lower()
        if asked not in {row["name"].lower() for row in self.kept.rows("catalogs")}:
            message = (
                f"You are trying to access catalog {arguments[0]}, but it does not yet exist. "
                "Please see our API docs to explicitly create the catalog."
            )
            raise ApiError(404, message, "NotFound")
        rows = [row for row in self.kept.rows("catalog_items") if row["catalogName"].lower() == asked]
        order = request.query.get("orderBy")
        if order:
            descending = request.query.get("sortAscending") != "true"
            rows.sort(key=lambda row: str(row["value"].get(order)), reverse=descending)
        return self._wrapped(ITEMS.page(request, rows, self.project))

    def _wrapped(self, value: Row) -> Answer:
        wrapped = self.project.options.wrapped_catalogs
        return Answer({"msg": "", "code": "Success", "params": value} if wrapped else value)

    def _experiments(self, request: web.Request, _: list[str]) -> Answer:
        query = request.query
        limit = number(query.get("limit", str(EXPERIMENTS_DEFAULT)))
        offset = query.get("offset", "0")
        counted = self.project.options.experiments_total_count
        if limit is None or limit > (MOST_OF_THE_CLIENT if counted else EXPERIMENTS_MOST) or not offset.isdecimal():
            raise bad_params("Invalid limit or offset")
        states, campaigns = query.getall("state", []), numbers(request, "campaignId")
        start, end = timestamp(request, "startDateTime", 0), timestamp(request, "endDateTime", FOR_EVER)
        full = [
            row
            for row in self.kept.rows("experiment_details")
            if (not states or row["status"] in states)
            and (not campaigns or row["meta"]["campaignId"] in campaigns)
            and start <= row.get("startDate", start * 1000) / 1000 <= end
        ]
        limit = min(limit, self.project.options.largest_page or limit)
        begin = int(offset)
        if begin == 0 and limit < len(full):
            self.project.serve_first_page("experiments")
        page = [experiments.listed(self.project.people, row) for row in full[begin : begin + limit]]
        pagination = {"limit": limit, "offset": begin, "total": len(full)}
        return Answer({"experiments": page} | ({"totalCount": len(full)} if counted else {"pagination": pagination}))

    def _experiment(self, _: web.Request, arguments: list[str]) -> Answer:
        for row in self.kept.rows("experiment_details"):
            if str(row["id"]) == arguments[0]:
                return Answer(row)
        raise ApiError(404, f"Experiment {arguments[0]} not found", "NotFound")

    def _metadata_tables(self, *_: object) -> Answer:
        with self.project.lock:
            names = dict.fromkeys(row["table"] for row in self.project.metadata)
        return Answer({"results": [{"name": name} for name in names]})

    def _metadata_keys(self, request: web.Request, arguments: list[str]) -> Answer:
        table = arguments[0].lower()
        with self.project.lock:
            rows = [row for row in self.project.metadata if row["table"] == table]
        marker, size = request.query.get("nextMarker", "0"), self.project.options.metadata_page
        if not marker.isdecimal():
            raise bad_params("Invalid nextMarker")
        begin = int(marker)
        page = [{k: v for k, v in row.items() if k != "value"} for row in rows[begin : begin + size]]
        more = {"nextMarker": str(begin + size)} if begin + size < len(rows) else {}
        return Answer({"results": page, **more})

    def _metadata_value(self, _: web.Request, arguments: list[str]) -> Answer:
        table, key = arguments[0].lower(), arguments[1]
        with self.project.lock:
            for row in self.project.metadata:
                if (row["table"], row["key"]) == (table, key):
                    return Answer(dict(row))
        raise ApiError(404, "Metadata value not found", "NotFound", {"table": table, "key": key})
