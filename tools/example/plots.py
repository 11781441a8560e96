"""Pictures of some answers: `python -m tools.example.plots DATABASE FOLDER`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from tools.example.answers import answer

DARK, LIGHT, WARM = "#0b6e4f", "#9fd3c1", "#c8553d"
MOST_CAMPAIGNS = 12

Rows = Sequence[tuple[Any, ...]]


def campaigns(axes: Axes, rows: Rows) -> None:
    """The campaigns that are opened most."""
    shown = rows[:MOST_CAMPAIGNS][::-1]
    names = [row[1] for row in shown]
    places = range(len(shown))
    axes.barh([at + 0.2 for at in places], [row[7] for row in shown], 0.4, color=DARK, label="opened")
    axes.barh([at - 0.2 for at in places], [row[8] for row in shown], 0.4, color=LIGHT, label="clicked")
    axes.set_yticks(list(places), names)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title("Messages opened and clicked, by campaign", loc="left")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)


def list_growth(axes: Axes, rows: Rows) -> None:
    """What the lists gained and lost in each week, and all of it so far."""
    gained, lost = Counter[date](), Counter[date]()
    for day, subscribed, unsubscribed, *_ in rows:
        monday = day - timedelta(days=day.weekday())
        gained[monday] += subscribed
        lost[monday] += unsubscribed
    weeks: list[Any] = sorted(gained)
    axes.bar(weeks, [gained[week] for week in weeks], 5, align="edge", color=LIGHT, label="subscribed in the week")
    axes.bar(weeks, [-lost[week] for week in weeks], 5, align="edge", color=WARM, label="unsubscribed")
    axes.plot([row[0] for row in rows], [row[4] for row in rows], color=DARK, linewidth=2, label="net, so far")
    axes.set_title("Growth of the lists", loc="left")
    axes.legend(frameon=False, loc="upper left")


def best_hour(axes: Axes, rows: Rows) -> None:
    """How many of the messages of an hour are opened within a day, the best hour dark."""
    best = rows[0][0] if rows else None
    hours = sorted(rows)
    colours = [DARK if row[0] == best else LIGHT for row in hours]
    axes.bar([row[0] for row in hours], [row[3] for row in hours], color=colours)
    axes.set_xticks(range(0, 24, 3))
    axes.set_xlabel("hour of sending, UTC")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title("Messages opened within a day", loc="left")


PICTURES: dict[str, Callable[[Axes, Rows], None]] = {
    "campaigns": campaigns,
    "list_growth": list_growth,
    "best_hour": best_hour,
}


def draw(database: Path, folder: Path) -> list[Path]:
    """Draw what the ``database`` answers, as PNG and SVG into ``folder``; the same answers, the same files."""
    mpl.use("Agg")
    written = []
    with duckdb.connect(str(database), read_only=True) as connection:
        for name, picture in PICTURES.items():
            mpl.rcParams["svg.hashsalt"] = name
            figure, axes = plt.subplots(figsize=(8, 4.2))
            picture(axes, answer(connection, name).fetchall())
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_axisbelow(True)
            axes.grid(alpha=0.3)
            figure.tight_layout()
            for kind in ("png", "svg"):
                path = folder / f"{name}.{kind}"
                figure.savefig(path, dpi=110, metadata={"Date": None} if kind == "svg" else None)
                written.append(path)
            plt.close(figure)
    return written


def main(database: str, folder: str) -> None:
    """Draw, and name what was drawn."""
    for path in draw(Path(database), Path(folder)):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
