# SPDX-License-Identifier: Apache-2.0
"""
A result from a source that limits each connection, as storages do: ours beside single streams.

By default 50 MB/s for a connection and 30 ms before every answer. Ours finds out by itself that one
connection is slow and goes on with parallel ranges; the same held to one connection, and curl, stand beside.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from bench import arguments, report, server
from measured import Measured, measure, middle, parse_sizes, python, shown

SINGLE = "download held to one connection"


def compare(url: str, path: Path, size: int, turns: int) -> list[dict[str, Any]]:
    """All sides for one size."""
    address = f"{url}/bytes/{size}?X-Amz-Signature=made-up"
    sides = {
        "download (ours)": python("ours", address, str(path)),
        SINGLE: python("one_connection", address, str(path)),
    }
    if shutil.which("curl"):
        sides["curl -o"] = ["curl", "-sSf", "-o", str(path), address]
    done: dict[str, list[Measured]] = {who: [] for who in sides}
    for _ in range(turns):
        for who, command in sides.items():
            done[who].append(measure(command))
            if path.stat().st_size != size:
                raise RuntimeError(f"{who} wrote {path.stat().st_size} bytes of {size}")
            path.unlink()
    figures = {who: middle(results) for who, results in done.items()}
    return [
        {
            "size": shown(size),
            "who": who,
            "seconds": each.seconds,
            "mb_per_s": size / each.seconds / 1e6,
            "speed_of_one": figures[SINGLE].seconds / each.seconds,
            "cpu_s": each.cpu_seconds,
            "peak_mib": each.peak_mib,
        }
        for who, each in figures.items()
    ]


def main() -> None:
    options = arguments(__doc__ or "", sizes="256M,1G", turns=2, rate=50e6, delay=0.03, folder="")
    sizes = parse_sizes("1M" if options.smoke else options.sizes)
    turns = 1 if options.smoke else options.turns
    limits = ("--rate", str(options.rate), "--delay", str(options.delay))
    with (
        server(*limits, script="byte_source.py") as url,
        tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder or None) as folder,
    ):
        rows = [row for size in sizes for row in compare(url, Path(folder) / "result", size, turns)]
    facts = {"turns": turns, "bytes_per_second_and_connection": options.rate, "delay_seconds": options.delay}
    report("download_ranges", rows, smoke=options.smoke, **facts)


if __name__ == "__main__":
    main()
