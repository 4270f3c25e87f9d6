# SPDX-License-Identifier: Apache-2.0
"""What came of the faults: rows on the screen, a JSON file, and the table of docs/reliability.md."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Around the table in the documentation.
BEGIN = "<!-- table of faults: python -m tests.chaos --all --json FILE, then --docs FILE -->"
END = "<!-- end of the table of faults -->"

LOCAL, CELERY = "LocalExecutor", "CeleryExecutor"

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


@dataclass
class Row:
    """
    One fault, or the search for secrets.

    :param outcome: in a few words
    :param problems: what is not as it must be
    :param executor: that the tasks ran with
    """

    name: str
    title: str
    jobs: int = 0
    outcome: str = ""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    executor: str = LOCAL

    def __str__(self) -> str:
        verdict = "ok  " if not self.problems else "BAD "
        lines = [f"{verdict} {self.name}: {self.jobs} jobs, {self.outcome}, {self.seconds:.0f} s"]
        return "\n".join([*lines, *(f"     PROBLEM {problem}" for problem in self.problems)])


def table(rows: Sequence[Row]) -> str:
    """The rows as text."""
    width = max(len(row.name) for row in rows)
    lines = [f"{'fault':{width}}  jobs  seconds  outcome"]
    lines.append("-" * 100)
    for row in rows:
        verdict = row.outcome if not row.problems else f"{len(row.problems)} PROBLEMS; {row.outcome}"
        lines.append(f"{row.name:{width}}  {row.jobs:4}  {row.seconds:7.0f}  {verdict}")
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """The rows for docs/reliability.md: a line for each fault, with what came of it on either executor."""
    with_celery = {row.name: row for row in rows if row.executor == CELERY}
    lines = ["| Fault | Jobs | Outcome | With Celery | Command |", "|---|---|---|---|---|"]
    for row in rows:
        if row.executor == LOCAL:
            command = f"`python -m tests.chaos --fault {row.name}`" if row.jobs else "at the end of every run"
            celery = _outcome(with_celery[row.name]) if row.name in with_celery else ""
            lines.append(f"| {row.title} | {row.jobs or ''} | {_outcome(row)} | {celery} | {command} |")
    return "\n".join(lines)


def _outcome(row: Row) -> str:
    return row.outcome if not row.problems else "**" + "; ".join(row.problems) + "**"


def update_docs(rows: Sequence[Row], path: Path = DOCS) -> None:
    """Replace the table in the documentation."""
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n{markdown(rows)}\n{END}{tail}", encoding="utf-8")


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write the results as JSON."""
    path.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> list[Row]:
    """Read what :func:`write` wrote."""
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
