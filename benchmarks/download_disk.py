# SPDX-License-Identifier: Apache-2.0
"""
A result to a file: ours, curl, ``HttpToS3Operator``'s way, and plain requests.

Each is a process of its own; the source is another on the same machine, faster than all of them. Several
turns, the sides one after the other in each; the median counts. ``seconds`` are those of the work (of curl:
of the process); ``on_disk_s`` adds what the system still has to write to the disk then, which is nothing for
ours, as it reports a file that a power cut leaves as it is.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import arguments, report, server
from measured import Measured, measure, middle, parse_sizes, python, shown

OURS = "download (ours)"
CURL = "curl -o"


def commands(url: str, path: Path) -> dict[str, list[str]]:
    """The sides."""
    found = {
        OURS: python("ours", url, str(path)),
        CURL: ["curl", "-sSf", "-o", str(path), url],
        "requests, iter_content of 1 MiB": python("plain_requests", url, str(path)),
        "HttpToS3Operator's way": python("in_memory", url, str(path)),
    }
    if shutil.which("curl") is None:
        del found[CURL]
    return found


def one_turn(command: Sequence[str], path: Path, size: int) -> tuple[Measured, float]:
    """Measure, and how long until the bytes are on the disk."""
    path.unlink(missing_ok=True)
    done = measure(command)
    if path.stat().st_size != size:
        raise RuntimeError(f"{command} wrote {path.stat().st_size} bytes of {size}")
    began = time.perf_counter()
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    synced = time.perf_counter() - began
    path.unlink()
    return done, done.seconds + synced


def compare(url: str, folder: Path, size: int, turns: int) -> list[dict[str, Any]]:
    """All sides for one size."""
    path = folder / "result"
    sides = commands(f"{url}/bytes/{size}?X-Amz-Signature=made-up", path)
    done: dict[str, list[tuple[Measured, float]]] = {who: [] for who in sides}
    for turn in range(turns):
        order = list(sides) if turn % 2 == 0 else list(reversed(sides))
        for who in order:
            done[who].append(one_turn(sides[who], path, size))
    rows: list[dict[str, Any]] = []
    for who, results in done.items():
        figures = middle([m for m, _ in results])
        rows.append(
            {
                "size": shown(size),
                "who": who,
                "seconds": figures.seconds,
                "mb_per_s": size / figures.seconds / 1e6,
                "cpu_s": figures.cpu_seconds,
                "peak_mib": figures.peak_mib,
                "on_disk_s": sorted(s for _, s in results)[turns // 2],
                "process_s": figures.process_seconds,
            }
        )
    peer = next((row for row in rows if row["who"] == CURL), None)
    if peer is not None:
        for row in rows:
            row["speed_of_curl"] = peer["seconds"] / row["seconds"]
    return rows


def main() -> None:
    options = arguments(__doc__ or "", sizes="64M,256M,1G", turns=3, folder="")
    sizes = parse_sizes("1M" if options.smoke else options.sizes)
    turns = 1 if options.smoke else options.turns
    with (
        server(script="byte_source.py") as url,
        tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder or None) as folder,
    ):
        rows = [row for size in sizes for row in compare(url, Path(folder), size, turns)]
    report("download_disk", rows, smoke=options.smoke, turns=turns)


if __name__ == "__main__":
    main()
