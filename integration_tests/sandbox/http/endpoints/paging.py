"""Pages of a list endpoint: what may be requested, and how an answer names the pages beside it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from integration_tests.sandbox.data.rows import Row
from integration_tests.sandbox.http.answers import bad_params
from integration_tests.sandbox.http.endpoints.parameters import number
from integration_tests.sandbox.project.project import Project


@dataclass(frozen=True, kw_only=True)
class Paging:
    """How an endpoint pages.

    Attributes:
        name: The key of the rows.
        total: The key of their number.
        ids: The field that ``sort=id`` means.
        sortable: What else may be sorted by; with nothing, rows come in their own order.
        default: Rows on a page unless asked otherwise.
        most: Rows on a page at most.
        unpaged: Whether a call that requests no page gets the first rows and nothing else.
    """

    name: str
    total: str
    ids: str = "id"
    sortable: tuple[str, ...] = ("id", "name", "createdAt", "updatedAt")
    default: int = 20
    most: int = 1000
    unpaged: bool = False

    def page(self, request: web.Request, rows: list[Row], project: Project, unfiltered: int | None = None) -> Row:
        """The page of ``rows`` that is requested; ``project`` hears of the endpoint when it is the first of several.

        Its options tell how many rows it has at the most, how the address of the next page looks, and whether the total
        is ``unfiltered``: how many rows there are whatever was requested.

        Raises:
            ApiError: If it may not be requested.
        """
        query, options = request.query, project.options
        rows = self._sorted(rows, query.get("sort", "id")) if self.sortable else rows
        page, size = number(query.get("page", "1")), number(query.get("pageSize", str(self.default)))
        if page is None or size is None or size > self.most:
            raise bad_params("Invalid page or pageSize")
        size = min(size, options.largest_page or size)
        begin = (page - 1) * size
        answer: Row = {self.name: rows[begin : begin + size]}
        more = begin + size < len(rows)
        if more and page == 1:
            project.serve_first_page(request.path.removeprefix("/api/"))
        if self.unpaged and "page" not in query and "pageSize" not in query:
            return answer

        def url(number: int) -> str:
            kept = [] if options.bare_next_pages else query.items()
            others = [(key, value) for key, value in kept if key not in {"page", "pageSize"}]
            path = request.rel_url.raw_path
            before = {
                "absolute": f"http://{request.host}{path}",
                "path": path,
                "endpoint": path.removeprefix("/api/"),
                "query": "",
            }
            parameters = urlencode([*others, ("page", number), ("pageSize", size)])
            return f"{before[options.next_pages]}?{parameters}"

        answer[self.total] = unfiltered if options.unfiltered_totals and unfiltered is not None else len(rows)
        if more:
            answer["nextPageUrl"] = url(page + 1)
        if page > 1:
            answer["previousPageUrl"] = url(page - 1)
        return answer

    def _sorted(self, rows: list[Row], sort: str) -> list[Row]:
        column = sort.lstrip("-+ ")
        if column not in self.sortable:
            raise bad_params(f"Invalid sort: {sort}")
        column = self.ids if column == "id" else column
        return sorted(rows, key=lambda row: (row.get(column) is not None, row.get(column)), reverse=sort[:1] == "-")
