"""Answers in the shape of recorded ones, served by a sandbox, and what must come of them: see README.md."""

from integration_tests.replay.compare import Outcome, compare
from integration_tests.replay.recording import Recording
from integration_tests.replay.server import Replay

__all__ = ["Outcome", "Recording", "Replay", "compare"]
