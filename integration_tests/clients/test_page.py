"""The notebook of docs/pyairbyte.md works as it stands on the page."""

import ast
import os
import re
from pathlib import Path
from typing import Any

import airbyte as ab
import pandas as pd
import pytest

from integration_tests.clients.conftest import CONNECTOR, Connect
from integration_tests.clients.page import PAGE, examples
from integration_tests.clients.postgres import Postgres
from integration_tests.clients.tables import BEGIN_ANEW, CURSOR_OF, EVERY, assert_holds
from integration_tests.sandbox import Sandbox

SELECTED = ["campaigns", "email_send", "email_open", "users"]
DIRECTLY, BY_JOB = "export/data.json", "export/start"


class Notebook:
    """Cells that share their names, each of which shows the value of its last line."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}

    def run(self, cell: str) -> Any:
        """Run a cell; gives what it shows."""
        *lines, last = ast.parse(cell).body
        exec(compile(ast.Module(lines, []), "cell", "exec"), self.names)  # noqa: S102
        if isinstance(last, ast.Expr):
            return eval(compile(ast.Expression(last.value), "cell", "eval"), self.names)  # noqa: S307
        exec(compile(ast.Module([last], []), "cell", "exec"), self.names)  # noqa: S102
        return None


def exported(sandbox: Sandbox, endpoint: str) -> set[str]:
    """The data types that were requested at an endpoint: the page leaves it to the connector which."""
    return {request.params["dataTypeName"] for request in sandbox.requests if request.endpoint == endpoint}


@pytest.fixture
def notebook(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook in an empty folder, with the key in the environment and the connector on the PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ITERABLE_API_KEY", sandbox.api_key)
    monkeypatch.setenv("PATH", f"{CONNECTOR.parent}{os.pathsep}{os.environ['PATH']}")
    return Notebook()


def test_the_page_names_the_streams_that_are_read_whole_and_those_that_begin_again() -> None:
    whole, _, rest = PAGE.partition("These are read whole every time:")[2].partition(".")
    anew = rest.partition("The next read of")[2].partition(" is then")[0]

    assert set(re.findall("`([a-z_]+)`", whole)) == set(EVERY) - set(CURSOR_OF)
    assert set(re.findall("`([a-z_]+)`", anew)) == BEGIN_ANEW


def test_the_page_runs_from_top_to_bottom(sandbox: Sandbox, notebook: Notebook) -> None:
    (read,) = examples("Read")
    sql, pandas = examples("Ask")
    again, anew = examples("The next time")
    (one_by_one,) = examples("Long reads")

    notebook.run(read)

    assert Path("warehouse.duckdb").exists()
    source, cache = notebook.names["source"], notebook.names["cache"]
    assert_holds(cache, source, sandbox, SELECTED)
    assert exported(sandbox, DIRECTLY) == {"emailSend", "emailOpen", "user"}
    assert exported(sandbox, BY_JOB) <= exported(sandbox, DIRECTLY)
    answer = notebook.run(sql)
    assert [set(row) for row in answer] == [{"name", "sent", "opened"}] * 5
    assert sum(row["sent"] for row in answer) > 0
    days: pd.Series[int] = notebook.run(pandas)
    assert (days > 0).all()

    sandbox.grow(events=5, users=3)
    sandbox.advance(minutes=10)
    assert notebook.run(again).processed_records < 4 * 20
    assert_holds(cache, source, sandbox, SELECTED)

    sandbox.forget_requests()
    assert notebook.run(anew).processed_records == len(sandbox.truth("user"))
    assert exported(sandbox, BY_JOB) <= exported(sandbox, DIRECTLY) == {"user"}
    assert_holds(cache, source, sandbox, SELECTED)

    sandbox.grow(events=5)
    sandbox.advance(minutes=10)
    notebook.run(one_by_one)
    assert_holds(cache, source, sandbox, SELECTED)


def test_the_page_runs_with_postgresql(
    sandbox: Sandbox, connect: Connect, notebook: Notebook, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", server.password)
    monkeypatch.setattr(pd, "read_json", pd.read_json)  # put back after the test
    mend, make = examples("PostgreSQL")
    here = {"5432": str(server.port), '"me"': f'"{server.user}"', '"warehouse"': f'"{server.new_database()}"'}
    for told, found in here.items():
        assert told in make
        make = make.replace(told, found)
    notebook.names["ab"] = ab

    notebook.run(mend)
    notebook.run(make)

    source, cache = connect("users"), notebook.names["cache"]
    source.read(cache=cache)
    assert_holds(cache, source, sandbox, ["users"])
    cache.close()
