# SPDX-License-Identifier: Apache-2.0
"""The quickstart, typed as it stands on its page, in a folder of its own, ends with the file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.harness.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "quickstart.md"

#: Steps that a test leaves out: they install what this environment has, or stay up until Ctrl-C.
LEFT_OUT = ("pip install", "make demo", "airflow standalone")


def script(page: str) -> str:
    """What the page has its reader do: the commands, and the file to be saved."""
    steps = ["set -eu"]
    for match in re.finditer(
        r"(Save this as `([^`]+)`:\s+)?```(bash|python)\n(.*?)^```", page, re.DOTALL | re.MULTILINE
    ):
        _, file, language, text = match.groups()
        if language == "bash" and not any(words in text for words in LEFT_OUT):
            steps.append(text)
        elif file:
            steps.append(f"cat > {file} <<'END_OF_FILE'\n{text}END_OF_FILE")
    return "\n".join(steps)


def test_the_quickstart_typed_literally_ends_with_the_file(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    ports = (str(free_port()), str(free_port()))
    typed = (
        script(page)
        .replace("8099", ports[0])
        .replace("8100", ports[1])
        .replace("/tmp/first_export", f"{tmp_path}/out")
    )
    assert typed.count("airflow dags test") == 1
    # The simulator must be gone whatever happens.
    typed = typed.replace("set -eu", "set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{environment.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        # All but the page's own settings: what a person waits for, a test need not.
        "AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS": "0",
    }
    done = subprocess.run(
        ["bash", "-c", typed],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )

    said = done.stdout + done.stderr
    (tmp_path / "log").write_text(said, encoding="utf-8")  # for whoever has to look
    assert "Connection success!" in said
    assert done.returncode == 0, said[-4000:]
    promised = re.search(r"```text\n(.*?)```", page, re.DOTALL)
    assert promised is not None
    for line in promised[1].splitlines():
        # Ids, dates, counts, sizes and folders differ from run to run; the words do not.
        differs = (
            r"/asyncStatus/\w+…?|[\d-]{4,} [\d:]+ UTC|[\d.]+ (?:s|min|h)\b|\d+ polls?|[\d.]+ KiB|file://\S+"
        )
        words = re.sub(differs, "\0", line)
        pattern = ".*?".join(map(re.escape, words.split("\0")))
        assert re.search(pattern, said), line
    assert re.search(r"\s1000000\s.*items\.dat", said), "ls shows the file"
    assert not (tmp_path / "out").exists(), "the page cleans up"


@pytest.mark.parametrize("words", LEFT_OUT)
def test_what_the_test_leaves_out_is_still_on_the_page(words: str) -> None:
    assert words in PAGE.read_text(encoding="utf-8")
