# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - a script beside its data
"""
The notes of a release: the fragments in ``changes/`` and what the changelog's *Unreleased* says.

``release_notes.py`` shows those of the next one; ``--version 0.2.0`` writes them into the changelog and
removes the fragments; ``--of 0.2.0`` shows those of a release that was.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
UNRELEASED = "## [Unreleased]"


def section(changelog: str, version: str) -> str:
    """What stands below a version's heading, without it."""
    found = re.search(
        rf"^## \[{re.escape(version)}\].*?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise SystemExit(f"CHANGELOG.md has no version {version}")
    return found[1].strip() + "\n"


def gathered(fragments: Path, unreleased: str) -> str:
    """The notes: what stands below *Unreleased*, each fragment below the heading of its kind."""
    lead, *parts = re.split(r"^### (\w+)\n", unreleased, flags=re.MULTILINE)
    entries = {kind.capitalize(): "" for kind in KINDS}
    for heading, text in zip(parts[::2], parts[1::2], strict=True):
        entries[heading] = text.strip() + "\n"
    for path in sorted(fragments.glob("*.md")):
        kind = path.suffixes[-2].removeprefix(".") if len(path.suffixes) > 1 else ""
        if path.name == "README.md":
            continue
        if kind not in KINDS:
            raise SystemExit(f"{path.name}: the name ends with one of {', '.join(f'.{k}.md' for k in KINDS)}")
        lines = path.read_text(encoding="utf-8").strip().splitlines()
        entries[kind.capitalize()] += "- " + "\n  ".join(lines) + "\n"
    found = [lead.strip(), *(f"### {heading}\n\n{text}".strip() for heading, text in entries.items() if text)]
    return "\n\n".join(part for part in found if part) + "\n"


def main(arguments: list[str], root: Path = ROOT) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", help="the number of the release to be made")
    parser.add_argument("--of", help="show the notes of this release")
    options = parser.parse_args(arguments)
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    if options.of:
        sys.stdout.write(section(text, options.of))
        return
    notes = gathered(root / "changes", section(text, "Unreleased"))
    if not options.version:
        sys.stdout.write(notes)
        return
    before, after = text.split(UNRELEASED + "\n", 1)
    rest = re.search(r"^## ", after, re.MULTILINE)
    older = after[rest.start() :] if rest else ""
    today = dt.datetime.now(dt.UTC).date()
    heading = f"## [{options.version}] - {today}"
    changelog.write_text(
        f"{before}{UNRELEASED}\n\n{heading}\n\n{notes}\n{older}".rstrip() + "\n", encoding="utf-8"
    )
    for path in (root / "changes").glob("*.md"):
        if path.name != "README.md":
            path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
