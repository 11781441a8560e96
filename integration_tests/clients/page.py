"""The examples of docs/pyairbyte.md."""

import re
from pathlib import Path
from textwrap import dedent

PAGE = (Path(__file__).parents[2] / "docs" / "pyairbyte.md").read_text("utf-8")


def examples(heading: str) -> list[str]:
    """The Python code blocks below a heading, in their order."""
    _, found, below = PAGE.partition(f"\n## {heading}\n")
    assert found, f"no heading {heading!r}"
    section = below.partition("\n## ")[0]
    return [dedent(code) for code in re.findall(r"^ *```python\n(.*?)^ *```$", section, re.DOTALL | re.MULTILINE)]
