# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: INP001 - a script beside its data
"""
Renews the pinned requirements: ``python requirements/refresh.py``.

Resolves all ``*.in`` files together, so that they fit each other, for every Python version that is supported,
and writes one ``*.txt`` per ``*.in``. Each file names only what the files before it do not, as the Makefile
installs them on top of each other. Pins that still fit stay as they are; ``--upgrade`` takes the newest
versions. Needs ``pip install uv packaging``; installing from the result needs only pip.

The other release lines of Airflow get a ``runtime-*.txt`` of their own and share the rest: what build, demo
and dev pin must do for all of them, else this fails and says which requirement is in the way.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).parent
LAYERS = ("runtime-3.3", "build", "demo", "dev", "celery", "docs", "package")
#: release lines of Airflow that the tests run on besides the first layer's
OTHER_LINES = ("3.1", "3.2", "3.4")
#: what is installed on top of each line to run the tests
FOR_TESTS = ("build", "demo", "dev")
#: how many layers lie below one that is not installed on top of all before it
BELOW = {"docs": 1, "package": 2}
# Airflow runs on neither Windows nor PyPy.
ENVIRONMENTS = [
    {
        "python_version": version,
        "python_full_version": f"{version}.{patch}",
        "sys_platform": platform,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    for version, patch, platform in itertools.product(
        ("3.11", "3.12", "3.13"), ("0", "99"), ("linux", "darwin")
    )
]


def compile_pins(sources: list[Path], known: str, *options: str) -> list[str]:
    """
    Pins for the closure of the sources.

    :param known: pins to prefer, the text of a requirements file
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "pins.txt"
        output.write_text(known, encoding="utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", "--universal", "--python-version", "3.11"]
        command += ["--no-annotate", "--no-header", "--no-emit-index-url", "--quiet", "-o", str(output)]
        subprocess.run([*command, *options, *map(str, sources)], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - own words only
        return list(filter(None, map(_relevant, output.read_text(encoding="utf-8").splitlines())))


def _relevant(line: str) -> str | None:
    """The pin without a marker that always holds; None when it never does."""
    requirement = Requirement(line)
    marker = requirement.marker
    if marker is not None:
        answers = {marker.evaluate(environment) for environment in ENVIRONMENTS}
        if answers == {False}:
            return None
        if answers == {True}:
            requirement.marker = None
    return str(requirement)


def main() -> None:
    """Write the pin files."""
    sources = [HERE / f"{layer}.in" for layer in LAYERS]
    files = [HERE / f"{layer}.txt" for layer in LAYERS]
    upgrade = "--upgrade" in sys.argv
    known = "\n".join(f.read_text(encoding="utf-8") for f in files if f.exists() and not upgrade)
    together = "\n".join(compile_pins(sources, known))
    for number, layer in enumerate(LAYERS):
        below = LAYERS[: BELOW.get(layer, number)]
        here = _names(compile_pins([*(HERE / f"{name}.in" for name in below), sources[number]], together))
        if below:
            here -= _names(compile_pins([HERE / f"{name}.in" for name in below], together))
        pins = [pin for pin in together.splitlines() if Requirement(pin).name in here]
        files[number].write_text("\n".join(pins) + "\n", encoding="utf-8")
    for line in OTHER_LINES:
        _write_other_line(line, "" if upgrade else together)
    alone = HERE / "servers.txt"  # an environment of its own, which shares nothing
    kept = "" if upgrade or not alone.exists() else alone.read_text(encoding="utf-8")
    alone.write_text("\n".join(compile_pins([HERE / "servers.in"], kept)) + "\n", encoding="utf-8")


def _write_other_line(line: str, known: str) -> None:
    """
    Pins for another release line of Airflow, with all that the shared layers take for granted.

    :param known: pins to prefer where the line's own do not exist yet
    """
    file = HERE / f"runtime-{line}.txt"
    own = HERE / f"runtime-{line}.in"
    if known and file.exists():
        known = file.read_text(encoding="utf-8")
    shared = [pin for name in FOR_TESTS for pin in (HERE / f"{name}.txt").read_text("utf-8").splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "shared.txt"
        constraints.write_text("\n".join(shared), encoding="utf-8")
        sources = [own, *(HERE / f"{name}.in" for name in FOR_TESTS)]
        together = compile_pins(sources, known, "--constraint", str(constraints))
    elsewhere = _names(shared) - _names(compile_pins([own], "\n".join(together)))
    pins = [pin for pin in together if Requirement(pin).name not in elsewhere]
    file.write_text("\n".join(pins) + "\n", encoding="utf-8")


def _names(pins: list[str]) -> set[str]:
    return {Requirement(pin).name for pin in pins}


if __name__ == "__main__":
    main()
