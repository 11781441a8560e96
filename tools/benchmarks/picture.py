"""The picture: rows delivered and memory in use, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter

from tools.benchmarks.measure import Sample

COLOURS = {
    "this connector": "#0b6e4f",
    "bare loop": "#7a7a7a",
    "published connector": "#c8553d",
    "published tap": "#3d5a80",
}
MEGABYTE = 1 << 20


def draw(runs: Mapping[str, Sequence[Sample]], title: str, folder: Path, name: str) -> list[Path]:
    """Draw ``runs`` by name, and write the picture as PNG and SVG into ``folder``."""
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = name  # the same picture, the same file
    figure, (rows, memory) = plt.subplots(2, 1, figsize=(9, 7), sharex=True, height_ratios=[3, 2])
    for run, samples in runs.items():
        seconds = [0.0, *(sample.seconds for sample in samples)]
        colour = COLOURS.get(run, "black")
        style = "--" if run == "bare loop" else "-"
        delivered = [0, *(sample.lines for sample in samples)]
        rows.plot(seconds, delivered, style, color=colour, label=run, linewidth=2)
        rows.plot(seconds[-1], delivered[-1], "o", color=colour)
        alive = [sample for sample in samples if sample.resident]
        memory.plot(
            [sample.seconds for sample in alive],
            [sample.resident / MEGABYTE for sample in alive],
            style, color=colour, label=run, linewidth=2,
        )  # fmt: skip
    rows.set_title(title, loc="left")
    rows.set_ylabel("rows delivered")
    rows.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    rows.legend(frameon=False)
    memory.set_ylabel("memory in use (MB)")
    memory.set_xlabel("seconds since the start of the process")
    for axes in (rows, memory):
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    folder.mkdir(exist_ok=True)
    written = []
    for kind in ("png", "svg"):
        path = folder / f"{name}.{kind}"
        figure.savefig(path, dpi=150, metadata={"Date": None} if kind == "svg" else None)
        written.append(path)
    plt.close(figure)
    return written
