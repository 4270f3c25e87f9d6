# SPDX-License-Identifier: Apache-2.0
"""
Many small files to S3 in one task: ours, eight at once and one by one, rclone, ``HttpToS3Operator`` for each.

1,000 files of 1 MiB (``--count``, ``--size``), hashed, with a journal and a manifest. Source and S3 server
are two more processes on the same machine that cost little, as in ``download_s3.py``. The memory of ours must
not grow with the number of files: ``--more`` gives a second number for ours alone. The peer gets fewer files
(``--peer-count``), as it looks up its connections anew for each. rclone, also with eight at once, copies
from its HTTP backend and makes neither hashes of its own nor a journal.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from bench import arguments, report, server
from download_s3 import BUCKET, environment, program
from measured import Measured, measure, middle, parse_sizes, python, shown

OURS = "store_files (ours)"


def main() -> None:
    options = arguments(__doc__ or "", count=1000, size="1M", more=3000, peer_count=100, turns=1)
    if options.smoke:
        options.count, options.size, options.more, options.peer_count = 20, "64K", 0, 3
    size = parse_sizes(options.size)[0]
    sides = [
        (f"{OURS}, 8 at once", "ours_files", 8, options.count),
        (f"{OURS}, 1 at once", "ours_files", 1, options.count),
        ("HttpToS3Operator for each", "http_to_s3_files", 1, options.peer_count),
        (f"{OURS}, 8 at once", "ours_files", 8, options.more),
    ]
    rows: list[dict[str, Any]] = []
    with server(script="byte_source.py") as source, server(script="s3_sink.py") as endpoint:
        for number, (who, way, at_once, count) in enumerate(side for side in sides if side[3]):
            url = f"{source}/bytes/{size}?sig=made-up {count} {at_once}"
            command = python(way, url, f"s3://{BUCKET}/{number}/")
            figures = middle([measure(command, **environment(endpoint)) for _ in range(options.turns)])
            if figures.said["files"] != count:
                raise RuntimeError(f"{who} stored {figures.said['files']} files of {count}")
            rows.append(row(who, count, size, figures))
        if rclone := program("rclone"):
            turns = [by_rclone(rclone, source, endpoint, size, options.count) for _ in range(options.turns)]
            rows.append(row("rclone copy, 8 at once", options.count, size, middle(turns)))
    report("download_files", rows, smoke=options.smoke, turns=options.turns)


def row(who: str, count: int, size: int, figures: Measured) -> dict[str, Any]:
    """One line of the table."""
    return {
        "who": who,
        "files": count,
        "size": shown(size),
        "seconds": figures.seconds,
        "files_per_s": count / figures.seconds,
        "cpu_s": figures.cpu_seconds,
        "peak_mib": figures.peak_mib,
        "of_that_before_mib": figures.said.get("peak_before_mib"),
    }


def by_rclone(rclone: str, source: str, endpoint: str, size: int, count: int) -> Measured:
    """The same files with rclone, which finds their sizes by a HEAD each."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        names = Path(folder) / "names"
        names.write_text("".join(f"{size}/{number:05d}\n" for number in range(count)), encoding="utf-8")
        command = [
            *(rclone, "copy", "--http-url", f"{source}/bytes", "--files-from-raw", str(names)),
            *("--no-traverse", "--no-check-dest", "--transfers", "8", ":http:", f"target:{BUCKET}/rclone"),
        ]
        return measure(command, **environment(endpoint))


if __name__ == "__main__":
    main()
