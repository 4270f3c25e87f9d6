# SPDX-License-Identifier: Apache-2.0
"""What is told of a job: bounded, plain, and no address that is a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_async_provider._page.facts import (
    MAX_EVENTS,
    MAX_JOBS,
    REPORT_VERSION,
    TEXTS,
    address_of,
    is_link,
    read_report,
    system_of,
    timeline_of,
)
from airflow_async_provider.protocols import JobHandle

TI = "019a0000-0000-7000-8000-000000000001"


def read(*jobs: Any, version: Any = REPORT_VERSION) -> list[dict[str, Any]]:
    return read_report(json.dumps({"version": version, "jobs": jobs}).encode(), 1000.0)


def test_moments_are_counted_from_the_readers_clock() -> None:
    (row,) = read({"ti_id": TI, "last_poll_at": -5, "deadline": 60.5, "events": [{"at": -7, "text": "x"}]})
    assert (row["last_poll_at"], row["deadline"], row["next_poll_at"]) == (995.0, 1060.5, None)
    assert timeline_of(row["timeline"]) == [{"at": 993.0, "kind": "", "text": "x"}]


@pytest.mark.parametrize("strange", [None, "x", [], {}, True, "9" * 5000, 1e400, -1e400])
def test_whatever_a_field_holds_it_becomes_what_the_column_takes(strange: Any) -> None:
    names = (*TEXTS, "deadline", "polls", "progress", "callback", "events")
    (row,) = read({"ti_id": TI, **dict.fromkeys(names, strange)})
    for name, length in TEXTS.items():
        assert isinstance(row[name], str)
        assert len(row[name]) <= length
        assert row[name].isprintable()
    assert row["deadline"] is None
    assert isinstance(row["polls"], int)
    assert isinstance(row["callback"], bool)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'{"version": 1}',
        b'{"version": 2, "jobs": []}',
        b'{"version": 1, "jobs": [7]}',
    ],
)
def test_what_is_no_report_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_report(body, 0.0)


def test_a_report_is_bounded() -> None:
    with pytest.raises(ValueError, match=str(MAX_JOBS)):
        read(*[{"ti_id": TI}] * (MAX_JOBS + 1))
    with pytest.raises(ValueError, match="UUID"):
        read({"ti_id": "robert'; drop table"})
    (row,) = read({"ti_id": TI, "events": [{"text": "x" * 1000}] * 100})
    assert len(row["timeline"]) <= MAX_EVENTS


def test_an_address_holds_no_secret_and_is_a_link_only_when_it_is_whole() -> None:
    def at(url: str | None, origin: str | None = None) -> str:
        return address_of(JobHandle("http_api", "7", 0.0, url, origin=origin))

    plain = at("https://user:pass@api.example.com/exports/7?sig=secret")
    assert plain == "https://api.example.com/exports/7"
    assert is_link(plain)
    opaque = at("https://api.example.com/s/q7Zk29XbLr04MnPw81TyVc55HsGdJe3A")
    assert "q7Zk29XbLr04MnPw81TyVc55HsGdJe3A" not in opaque
    assert not is_link(opaque)
    assert at("/exports/7", "https://api.example.com account ab12") == "https://api.example.com/exports/7"
    assert at(None) == ""
    assert is_link("https://awi.example.com/#/runs?client=100&run=7")  # of a connection's job_url
    for nothing in ("", "javascript:alert(1)", "data:text/html,x", "https://u:p@a.example/7", "https:///7"):
        assert not is_link(nothing)


@pytest.mark.parametrize(
    ("protocol", "name"),
    [("automic", "Broadcom Automic"), ("http_azure", "HTTP API"), ("my.company.Exports", "Exports")],
)
def test_a_system_has_a_name(protocol: str, name: str) -> None:
    assert system_of(protocol) == name
