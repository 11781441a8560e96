"""A recording on its way through the connector: check, discover and read."""

from integration_tests.replay.compare import Outcome, compare
from integration_tests.replay.recording import Recording
from integration_tests.replay.server import Replay
from integration_tests.support import sync
from integration_tests.support.command import discover, run_here


def outcomes(recording: Recording, *export_methods: str) -> dict[str, list[Outcome]]:
    """By export method, what became of the rows of each stream that the recording covers.

    Raises:
        AssertionError: If a command fails.
    """
    found = {}
    with Replay(recording) as replay:
        (status,) = run_here(replay, "check", config=sync.settings(replay)).of("CONNECTION_STATUS")
        assert status["status"] == "SUCCEEDED", status
        catalog = discover(replay)
        streams = {stream["name"]: stream for stream in catalog["streams"]}
        configured = sync.configured(catalog, recording.sent)
        for method in export_methods:
            settings = sync.settings(replay, export_method=method)
            output = run_here(replay, "read", config=settings, catalog=configured)
            assert output.exit_code == 0, output.errors or output.stderr
            assert bool(replay.jobs) == (method != "direct"), f"{len(replay.jobs)} export jobs were started"
            found[method] = [
                compare(streams[name], rows, output.records(name)) for name, rows in sorted(recording.sent.items())
            ]
    return found
