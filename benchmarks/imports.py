# SPDX-License-Identifier: Apache-2.0
"""
What a DAG file pays for importing an operator: each of our modules beside the http provider's.

Every import happens in a new Python that has imported ``airflow.sdk`` before, as Airflow's parser has. Of
several tries the fastest counts, as other processes can only add to it. ``loads`` names the libraries for
network and web that came in with it and were not there already.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import arguments, report

PROJECT = Path(__file__).parents[1]
PACKAGE = "airflow_async_provider"
PEER = "airflow.providers.http.operators.http"

HEAVY = ("boto3", "botocore", "aiohttp", "requests", "fastapi")

CHILD = """
import importlib, json, sys, time
import airflow.sdk
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
module, heavy = sys.argv[1], sys.argv[2].split(",")
before = set(sys.modules)
wall, cpu = time.perf_counter(), time.process_time()
importlib.import_module(module)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
new = set(sys.modules) - before
loads = [n for n in heavy if n in new]
print(json.dumps({"ms": wall * 1000, "cpu_ms": cpu * 1000, "modules": len(new), "loads": loads}))
"""


def modules() -> list[str]:
    """Every module of ours that a DAG file may import."""
    return [
        f"{PACKAGE}.{room}.{path.stem}"
        for room in ("operators", "sensors", "transfers")
        for path in sorted((PROJECT / PACKAGE / room).glob("*.py"))
        if path.stem != "__init__" and _is_for_authors(path)
    ]


def _is_for_authors(path: Path) -> bool:
    """Whether a module has an operator or sensor; the others are parts of these and come in with them."""
    return re.search(r"^class \w+(Operator|Sensor)\b", path.read_text(), re.MULTILINE) is not None


def one(module: str) -> dict[str, Any]:
    """One import in a new Python."""
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, module, ",".join(HEAVY)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    options = arguments(__doc__ or "", tries=5)
    names = [PEER, *modules()]
    if options.smoke:
        names, options.tries = names[:2], 1
    tries: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for _ in range(options.tries):
        for name in names:
            tries[name].append(one(name))
    rows = []
    for name, done in tries.items():
        best = min(done, key=lambda one_try: one_try["cpu_ms"])
        rows.append(
            {
                "module": name,
                "ms": min(one_try["ms"] for one_try in done),
                "cpu_ms": best["cpu_ms"],
                "modules": best["modules"],
                "loads": ", ".join(best["loads"]),
            }
        )
    for row in rows:
        row["of_the_peer"] = row["cpu_ms"] / rows[0]["cpu_ms"]
    report("imports", rows, smoke=options.smoke, tries=options.tries)


if __name__ == "__main__":
    import tempfile

    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="benchmark-"))
    main()
