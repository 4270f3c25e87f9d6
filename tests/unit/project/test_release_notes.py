# SPDX-License-Identifier: Apache-2.0
"""The notes of a release are gathered from fragments, and nothing of the changelog is lost."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tests.support.docs_pages import ROOT

NOTES = runpy.run_path(str(ROOT / "requirements" / "release_notes.py"))
CHANGELOG = """# Changelog

## [Unreleased]

Soon.

### Added

- **A:** first
  and more.

## [0.1.0] - 2026-01-01

### Fixed

- Old.
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    changes = tmp_path / "changes"
    changes.mkdir()
    (changes / "README.md").write_text("how\n", encoding="utf-8")
    (changes / "b.added.md").write_text("B is new,\nreally.\n", encoding="utf-8")
    (changes / "c.fixed.md").write_text("C works.\n", encoding="utf-8")
    return tmp_path


def test_a_release_takes_all_that_is_unreleased(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    NOTES["main"](["--version", "0.2.0"], project)

    text = (project / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (
        text.index("## [Unreleased]") < text.index("## [0.2.0] - 20") < text.index("## [0.1.0] - 2026-01-01")
    )
    assert text.endswith("- Old.\n")
    assert [path.name for path in (project / "changes").iterdir()] == ["README.md"]
    NOTES["main"](["--of", "0.2.0"], project)
    added = "### Added\n\n- **A:** first\n  and more.\n- B is new,\n  really.\n"
    assert capsys.readouterr().out == f"Soon.\n\n{added}\n### Fixed\n\n- C works.\n"
    NOTES["main"](["--of", "0.1.0"], project)
    assert capsys.readouterr().out == "### Fixed\n\n- Old.\n"
    NOTES["main"](["--of", "Unreleased"], project)
    assert capsys.readouterr().out == "\n"


def test_without_a_version_nothing_is_changed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    NOTES["main"]([], project)
    assert "- C works." in capsys.readouterr().out
    assert (project / "CHANGELOG.md").read_text(encoding="utf-8") == CHANGELOG
    assert len(list((project / "changes").iterdir())) == 3


def test_an_unknown_kind_and_an_unknown_version_say_so(project: Path) -> None:
    with pytest.raises(SystemExit, match="no version 9"):
        NOTES["main"](["--of", "9"], project)
    (project / "changes" / "d.better.md").write_text("D.\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"d\.better\.md: the name ends with one of \.added\.md"):
        NOTES["main"]([], project)


def test_the_changes_that_are_there_can_be_gathered() -> None:
    NOTES["main"]([])
