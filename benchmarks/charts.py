# SPDX-License-Identifier: Apache-2.0
"""
Draws the charts of the documentation from what the benchmarks have written.

``downloads.svg``: time and memory over file size, to disk and to S3. ``waiting.svg``: CPU over waiting jobs
(needs a series: ``waiting.py --jobs 500 1000 2000 5000 10000``). What was not measured is left out. Plain
SVG on a white ground, so that they can be read on light and on dark pages.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from measured import MIB, parse_sizes

HERE = Path(__file__).parent
STATIC = HERE.parent / "docs" / "_static"

#: Ours, and the others by how their names begin: one has the same colour in all panels.
OURS = "#1d4ed8"
PEERS = {
    "Http": "#b45309",
    "curl |": "#9333ea",
    "curl": "#475569",
    "requests": "#15803d",
    "rclone": "#15803d",
}

INK, FAINT, GRID = "#0f172a", "#64748b", "#e2e8f0"

Point = tuple[float, float]


@dataclass
class Line:
    """One side: its points, and those at which it could not do all that was asked."""

    name: str
    points: list[Point]
    ours: bool = False
    incomplete: set[float] = field(default_factory=set)


@dataclass
class Axis:
    """
    One axis.

    :param ticks: values that get a label
    :param show: how a value is written
    :param log: logarithmic
    """

    title: str
    ticks: Sequence[float]
    show: Callable[[float], str]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value lies between the first tick and the last."""
        low, high, at = self.ticks[0], self.ticks[-1], value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(max(value, 1e-9))
        return (at - low) / (high - low)


@dataclass
class Panel:
    """A pair of axes with lines, each named at its end."""

    title: str
    x: Axis
    y: Axis
    lines: list[Line]
    left: float
    top: float
    width: float = 300
    height: float = 210

    def place(self, point: Point) -> Point:
        return (
            self.left + self.width * self.x.share(point[0]),
            self.top + self.height * (1 - self.y.share(point[1])),
        )

    def draw(self) -> list[str]:
        parts = [_text(self.left, self.top - 14, self.title, weight=600, size=14)]
        for tick in self.y.ticks:
            _, y = self.place((self.x.ticks[0], tick))
            parts.append(f'<path d="M{self.left:.1f} {y:.1f}h{self.width:.1f}" stroke="{GRID}"/>')
            parts.append(_text(self.left - 8, y + 4, self.y.show(tick), FAINT, anchor="end", size=11.5))
        bottom = self.top + self.height
        for tick in self.x.ticks:
            x, _ = self.place((tick, self.y.ticks[0]))
            parts.append(f'<path d="M{x:.1f} {bottom:.1f}v5" stroke="{FAINT}"/>')
            parts.append(_text(x, bottom + 19, self.x.show(tick), FAINT, anchor="middle", size=11.5))
        middle = self.left + self.width / 2
        parts.append(_text(middle, bottom + 38, self.x.title, FAINT, anchor="middle", size=12))
        turned = f'transform="rotate(-90 {self.left - 64:.1f} {self.top + self.height / 2:.1f})"'
        parts.append(
            _text(self.left - 64, self.top + self.height / 2, self.y.title, FAINT, "middle", 12, more=turned)
        )
        return parts + self._drawn_lines()

    def _drawn_lines(self) -> list[str]:
        parts, ends = [], []
        for line in self.lines:
            peer = next((c for begin, c in PEERS.items() if line.name.startswith(begin)), FAINT)
            colour = OURS if line.ours else peer
            spots = [self.place(point) for point in line.points]
            way = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
            thick = 3 if line.ours else 1.8
            parts.append(
                f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="{thick}" '
                'stroke-linejoin="round"/>'
            )
            for (size, _), (x, y) in zip(line.points, spots, strict=True):
                fill = "#ffffff" if size in line.incomplete else colour
                parts.append(
                    f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3.6 if line.ours else 2.8}" fill="{fill}" '
                    f'stroke="{colour}" stroke-width="1.5"/>'
                )
            ends.append((spots[-1], line, colour))
        # Names that would lie on each other are pushed apart.
        lowest = 0.0
        for (x, y), line, colour in sorted(ends, key=lambda end: end[0][1]):
            lowest = max(y + 4, lowest + 15)
            parts.append(_text(x + 9, lowest, line.name, colour, weight=600 if line.ours else 400, size=12))
        return parts


def _text(
    x: float,
    y: float,
    text: str,
    colour: str = INK,
    anchor: str = "start",
    size: float = 12,
    weight: int = 400,
    more: str = "",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="{size}" '
        f'font-weight="{weight}" stroke="#ffffff" stroke-width="3" paint-order="stroke" {more}>'
        f"{escape(text)}</text>"
    )


def picture(title: str, panels: Sequence[Panel], width: float, height: float, note: str) -> str:
    """The whole SVG."""
    font = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{font}">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(_told(panels))}</desc>",
        f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>',
    ]
    for panel in panels:
        parts += panel.draw()
    for number, line in enumerate(reversed(note.splitlines())):
        parts.append(_text(24, height - 16 - 16 * number, line, FAINT, size=11.5))
    return "\n".join([*parts, "</svg>", ""])


def _told(panels: Sequence[Panel]) -> str:
    """The figures in words, for those who cannot see the picture."""
    sentences = []
    for panel in panels:
        for line in panel.lines:
            x, y = line.points[-1]
            sentences.append(
                f"{panel.title}: {line.name} {panel.y.show(y)} ({panel.y.title}) at {panel.x.show(x)}."
            )
    return " ".join(sentences)


# -- the two charts ---------------------------------------------------------------------------------------


def downloads(results: Path) -> str | None:
    """Time and memory over file size."""
    panels = []
    measured = [("to disk", _read(results, "download_disk")), ("to S3", _read(results, "download_s3"))]
    found = [(where, data) for where, data in measured if data is not None]
    if not found:
        return None
    rows = [row for _, data in found for row in data["rows"] if "seconds" in row]
    sizes = sorted({float(parse_sizes(row["size"])[0]) for row in rows})
    x = Axis("size of the result", sizes, _size, log=True)
    memory = Axis("peak memory of the process", _powers([r["peak_mib"] for r in rows], 4), _mib, log=True)
    seconds = Axis("time", _powers([r["seconds"] for r in rows], 10), _seconds, log=True)
    for row, (where, data) in enumerate(found):
        top = 56 + row * 310
        panels.append(Panel(f"Time {where}", x, seconds, _lines(data, "seconds"), 90, top))
        panels.append(Panel(f"Memory {where}", x, memory, _lines(data, "peak_mib"), 610, top))
    height = 56 + len(found) * 310 + 10
    return picture("Downloads: time and memory over file size", panels, 1080, height, _note(found[-1][1]))


def _lines(data: dict[str, Any], figure: str) -> list[Line]:
    sides: dict[str, Line] = {}
    for row in data["rows"]:
        if figure in row:
            line = sides.setdefault(row["who"], Line(_short(row["who"]), [], "(ours)" in row["who"]))
            line.points.append((float(parse_sizes(row["size"])[0]), row[figure]))
    return list(sides.values())


def waiting(results: Path) -> str | None:
    """CPU over waiting jobs, where there is a series."""
    data = _read(results, "waiting")
    if data is None:
        return None
    sides: dict[str, Line] = {}
    for row in sorted(data["rows"], key=lambda row: row["jobs"]):
        if row.get("cpu_s_per_minute") is None:
            continue
        line = sides.setdefault(row["who"], Line(_short(row["who"]), [], "(ours)" in row["who"]))
        line.points.append((float(row["jobs"]), row["cpu_s_per_minute"]))
        if row.get("jobs_started", row["jobs"]) < row["jobs"]:
            line.incomplete.add(float(row["jobs"]))
    lines = list(sides.values())
    if max((len(line.points) for line in lines), default=0) < 2:
        return None
    most_jobs = max(x for line in lines for x, _ in line.points)
    most_cpu = max(y for line in lines for _, y in line.points)
    x = Axis("jobs waiting in one event loop", _even(most_jobs), lambda v: f"{v:,.0f}")
    y = Axis("CPU seconds in a minute", _even(most_cpu), lambda v: f"{v:g}")
    panel = Panel("CPU of the waiting process", x, y, lines, 90, 56, width=470, height=260)
    interval = data.get("interval_seconds")
    note = f"polled every {interval:g} s\n" if interval else ""
    if any(line.incomplete for line in lines):
        note = note.rstrip() + "; hollow: not all of the jobs had started when the time was over\n"
    return picture("CPU over waiting jobs", [panel], 820, 420, note + _note(data))


def _read(results: Path, name: str) -> dict[str, Any] | None:
    path = results / f"{name}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _short(who: str) -> str:
    """The name at a line's end."""
    return who.replace(" (ours)", ", ours").replace(" (http provider)", "").split(", iter_content", 1)[0]


def _note(data: dict[str, Any]) -> str:
    machine = data.get("machine", {})
    packages = machine.get("packages", {})
    return (
        f"{machine.get('cpus', '?')} cores, Airflow {packages.get('apache-airflow', '?')}, "
        f"Python {machine.get('python', '?')}, {machine.get('date', '?')}; each side a process of its own"
    )


def _powers(values: Sequence[float], base: float) -> list[float]:
    """Powers of a number around some values."""
    low = math.floor(math.log(min(values), base))
    high = max(math.ceil(math.log(max(values), base)), low + 1)
    return [float(base) ** n for n in range(low, high + 1)]


def _even(most: float) -> list[float]:
    """Round steps from 0 to beyond the largest value."""
    step = 10 ** math.floor(math.log10(most))
    step = next(step * part for part in (0.2, 0.25, 0.5, 1, 2) if most / (step * part) <= 6)
    return [step * n for n in range(math.ceil(most / step) + 1)]


def _size(size: float) -> str:
    return f"{size / MIB:g} MiB" if size < 1024 * MIB else f"{size / MIB / 1024:g} GiB"


def _mib(mib: float) -> str:
    return f"{mib:.0f} MiB" if mib < 1024 else f"{mib / 1024:.3g} GiB"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s"


CHARTS = {"downloads": downloads, "waiting": waiting}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder with the figures")
    parser.add_argument("--output", type=Path, default=STATIC, help="folder for the pictures")
    options = parser.parse_args()
    for name, draw in CHARTS.items():
        drawn = draw(options.results)
        if drawn is None:
            print(f"{name}: not measured yet")
            continue
        path = options.output / f"{name}.svg"
        path.write_text(f"<!-- SPDX-License-Identifier: Apache-2.0 -->\n{drawn}")
        print(path)


if __name__ == "__main__":
    main()
