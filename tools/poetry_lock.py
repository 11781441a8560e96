"""Make poetry.lock hold the versions of requirements/dev.lock: ``python -m tools.poetry_lock poetry``.

Poetry resolves for itself, and takes no constraints. So it locks a copy of pyproject.toml first, to which every version
of requirements/dev.lock is added as a requirement; what it locks for pyproject.toml itself keeps to these versions.
What packages say of themselves is left out: it changes without them, and may name anything.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
PINNED = "requirements/dev.lock"
COPIED = ("pyproject.toml", "README.md", "LICENSE")
LOCK = "poetry.lock"


def pins(lock: str) -> Iterator[str]:
    """The requirements of a lock file of uv's, without their hashes: each fixes a version, some for some systems."""
    yield from re.findall(r"(?m)^([A-Za-z0-9][^=\s]*==[^\\\n]*?) *\\?$", lock)


def main(poetry: Sequence[str], root: Path = ROOT) -> int:
    """Write poetry.lock with the command ``poetry``; gives the exit code."""
    added = ",\n".join(json.dumps(pin) for pin in pins((root / PINNED).read_text("utf-8")))
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            shutil.copy(root / name, copy / name)
        settings = (copy / "pyproject.toml").read_text("utf-8")
        groups = "\n[dependency-groups]\n"
        (copy / "pyproject.toml").write_text(settings.replace(groups, f"{groups}pins = [\n{added}\n]\n", 1), "utf-8")
        subprocess.run([*poetry, "lock", "--no-interaction", "--directory", folder], check=True)
        shutil.copy(copy / LOCK, root / LOCK)
    subprocess.run([*poetry, "lock", "--no-interaction", "--directory", str(root)], check=True)
    locked = (root / LOCK).read_text("utf-8")
    (root / LOCK).write_text(re.sub(r'(?m)^description = ".*"$', 'description = ""', locked), "utf-8")
    return subprocess.run([*poetry, "check", "--lock", "--directory", str(root)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
