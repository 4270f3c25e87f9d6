# SPDX-License-Identifier: Apache-2.0
"""The parts that simulators are made of: content, clock, journal, remaining seconds."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import pytest

from airflow_async_provider.simulators import _journal as journal_module
from airflow_async_provider.simulators.__main__ import SIMULATORS, build_parser
from airflow_async_provider.simulators._aso_jobs import ENDPOINTS
from airflow_async_provider.simulators._clock import Clock
from airflow_async_provider.simulators._content import (
    BLOCK,
    Content,
    FileContent,
    FixedContent,
    GeneratedContent,
)
from airflow_async_provider.simulators._faults import KINDS
from airflow_async_provider.simulators._journal import Entry, Journal
from airflow_async_provider.simulators._s3 import seconds_left
from airflow_async_provider.simulators.aso import AsoSimulator


@pytest.fixture(params=["generated", "fixed", "file"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> Content:
    generated = GeneratedContent("seed", 3 * BLOCK + 17)
    if request.param == "generated":
        return generated
    if request.param == "fixed":
        return FixedContent(generated.read())
    path = tmp_path / "result"
    path.write_bytes(generated.read())
    return FileContent(path)


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 0), (0, 1), (BLOCK - 1, BLOCK + 1), (5, 2 * BLOCK), (3 * BLOCK, 3 * BLOCK + 17), (7, 10**9)],
)
def test_any_part_is_the_same_as_cut_from_the_whole(content: Content, start: int, stop: int) -> None:
    assert content.read(start, stop) == content.read()[start:stop]


def test_checksum_length_and_tag(content: Content) -> None:
    assert len(content.read()) == content.size == 3 * BLOCK + 17
    assert content.sha256 == hashlib.sha256(content.read()).hexdigest()
    assert content.sha256 is content.sha256  # computed once
    assert content.etag[0] == content.etag[-1] == '"'


def test_equal_seeds_give_equal_bytes_and_blocks_differ() -> None:
    one, same, other = (GeneratedContent(seed, 3 * BLOCK) for seed in ("a", "a", "b"))
    assert one.read() == same.read()
    assert one.etag == same.etag
    assert one.read() != other.read()
    assert one.etag != other.etag
    assert len({one.read(n * BLOCK, (n + 1) * BLOCK) for n in range(3)}) == 3


def test_a_file_that_shrank_ends_early(tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(b"0123456789")
    content = FileContent(path)
    path.write_bytes(b"0123")
    assert content.read() == b"0123"


def test_no_negative_length() -> None:
    with pytest.raises(ValueError, match="shorter than nothing"):
        GeneratedContent("seed", -1)


def test_the_clock() -> None:
    clock = Clock()
    before = clock.now()
    clock.advance(1000)
    assert clock.now() >= before + 1000
    clock.reset()
    assert clock.now() < before + 1000
    with pytest.raises(ValueError, match="put forward"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="greater than 0"):
        Clock(0)


@pytest.mark.parametrize(
    ("signed_at", "now", "left"),
    [(100.9, 100.9, 300), (100.0, 100.5, 300), (100.0, 399.5, 1), (100.9, 400.0, -1), (100.0, 500.0, -1)],
)
def test_seconds_left(signed_at: float, now: float, left: int) -> None:
    assert seconds_left(signed_at, 300, now) == left


def test_the_journal_forgets_old_entries_but_not_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "KEPT_ENTRIES", 3)
    journal = Journal()
    for number in range(5):
        journal.add(Entry(at=0.0, listener="api", kind="status", method="GET", path=f"/{number}"))
    assert journal.polls == 5
    assert [entry.path for entry in journal.entries()] == ["/2", "/3", "/4"]
    assert journal.entries()[0].to_dict()["ended_at"] is None
    journal.clear()
    assert journal.counts() == {}


def test_the_documentation_names_every_option_fault_and_action() -> None:
    page = (Path(__file__).parents[3] / "docs" / "simulators.md").read_text()
    simulator = AsoSimulator()
    words = {f"`{name}`" for name in (*simulator.actions(), *KINDS, *simulator.faults.routes)}
    words |= {parameter for parameters in KINDS.values() for parameter in parameters}
    words |= {f"`{name}`" for name in SIMULATORS}
    words |= set(inspect.signature(AsoSimulator.__init__).parameters) - {"self", "options"}
    words |= {f"`{endpoint}`" for _, _, _, endpoint in ENDPOINTS}
    commands = next(action for action in build_parser()._actions if action.dest == "simulator")
    words |= {option for option in commands.choices["aso"]._option_string_actions if option.startswith("--")}
    assert sorted(word for word in words - {"--help"} if word not in page) == []
