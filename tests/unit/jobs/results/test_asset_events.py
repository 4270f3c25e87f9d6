# SPDX-License-Identifier: Apache-2.0
"""
What a stored result says about itself in the events of its task's outlets.

The accessors of events are Airflow's own.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetUriRef
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_async_provider._download.fetch import DownloadReport
from airflow_async_provider._jobs.results.asset_events import add_to_outlets, asset_uri

FOLDER = Asset(name="exports", uri="s3://exports/items")
LATEST = AssetAlias(name="latest_export")
SILENT: Any = SimpleNamespace()


def test_an_asset_s_event_tells_where_how_much_and_what_beside_what_it_tells_already() -> None:
    events = OutletEventAccessors()
    events[FOLDER].extra["owner"] = "sourcing"
    report = DownloadReport(uri="s3://exports/items/1", bytes=0, sha256="ab")
    add_to_outlets({"outlet_events": events}, [FOLDER], report, SILENT)
    assert events[FOLDER].extra == {
        "owner": "sourcing",
        "uri": "s3://exports/items/1",
        "bytes": 0,
        "sha256": "ab",
    }


def test_an_alias_gets_an_event_of_the_stored_object_s_own_asset() -> None:
    events = OutletEventAccessors()
    report = DownloadReport(uri="s3://exports/a #1", bytes=1, sha256="ab")
    add_to_outlets({"outlet_events": events}, [LATEST], report, SILENT)
    (event,) = events[LATEST].asset_alias_events
    assert event.source_alias_name == "latest_export"
    assert event.dest_asset_key.uri == "s3://exports/a%20%231"
    assert event.extra == {"uri": "s3://exports/a #1", "bytes": 1, "sha256": "ab"}


def test_a_reference_to_an_asset_is_as_good_and_anything_else_is_left_alone() -> None:
    reference = AssetUriRef(uri="s3://exports/items")
    events: dict[Any, Any] = {}

    class Accessors:  # Airflow's own would ask the supervisor for what the reference means
        def __getitem__(self, outlet: Any) -> Any:
            return events.setdefault(outlet, SimpleNamespace(extra={}))

    report = DownloadReport(uri="file:///x", bytes=1, sha256="ab")
    add_to_outlets({"outlet_events": Accessors()}, [reference, "a table", object()], report, SILENT)

    assert [(key, value.extra) for key, value in events.items()] == [
        (reference, {"uri": "file:///x", "bytes": 1, "sha256": "ab"})
    ]


def test_a_uri_that_is_too_long_for_an_asset_costs_the_alias_its_event_only() -> None:
    said: list[str] = []
    log: Any = SimpleNamespace(warning=lambda text, *values: said.append(text % values))
    events = OutletEventAccessors()
    report = DownloadReport(uri="s3://results/" + "x" * 1500, bytes=1, sha256="ab")

    add_to_outlets({"outlet_events": events}, [LATEST, FOLDER], report, log)

    assert "latest_export" in said[0]
    assert events[FOLDER].extra["bytes"] == 1
    assert events[LATEST].asset_alias_events == []


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("s3://b/a/b=1/c.csv", "s3://b/a/b=1/c.csv"),
        ("s3://b/a b#c?z=1&a=2", "s3://b/a%20b%23c%3Fz=1&a=2"),
        ("s3://b/100%", "s3://b/100%25"),  # a key is not a URL: what looks encoded in it is not
        ("gs://b/ö", "gs://b/%C3%B6"),
        ("file:///tmp/a%20b", "file:///tmp/a%20b"),  # encoded already
    ],
)
def test_a_uri_that_airflow_takes_as_it_is(uri: str, shown: str) -> None:
    assert asset_uri(uri) == shown
