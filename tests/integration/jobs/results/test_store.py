# SPDX-License-Identifier: Apache-2.0
"""
What a stored result says about itself, the same for all operators that store one: link, events, lineage.

Airflow's part is played, see ``played_airflow``; the accessors of asset events are Airflow's own.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetUniqueKey

from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.store import fetch
from airflow_async_provider.errors import DestinationExistsError
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.operators.http_async import HttpAsyncJobOperator
from airflow_async_provider.operators.jaggaer_aso import JaggaerAsoDownloadOperator, JaggaerAsoSubmitOperator
from airflow_async_provider.operators.open_connectors import (
    OpenConnectorsAsyncRequestOperator,
    OpenConnectorsBulkDownloadOperator,
    OpenConnectorsBulkUploadOperator,
)
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus, Result
from airflow_async_provider.simulators.aso import AsoSimulator
from airflow_async_provider.simulators.http_async import HttpAsyncSimulator
from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator
from airflow_async_provider.transfers.async_result import AsyncResultDownloadOperator
from tests.support.byte_server import running
from tests.support.played_airflow import PlayedAirflow, airflow  # noqa: F401 - a fixture
from tests.support.s3_servers import S3Server, moto_s3  # noqa: F401 - fixtures

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

FOLDER = Asset(name="exports", uri="s3://exports/items")
LATEST = AssetAlias(name="latest_export")
OPERATORS = ("aso", "transfer", "http", "sap_request", "sap_bulk")


class Maker:
    """Makes the operators of one kind, each like the other, and keeps the last one."""

    def __init__(self, kind: str, airflow: PlayedAirflow) -> None:
        self.kind = kind
        self.airflow = airflow
        self.endpoint = {
            "aso": "event/7/apiItems/async",
            "transfer": "event/7/apiItems/async",
            "http": "location/jobs",
            "sap_request": "elements/api-v2/hubs/documents/folders/copy",
            "sap_bulk": "elements/api-v2/contacts",
        }[kind]
        self.last: Any = None
        self.submits: Callable[[], int] = lambda: 0

    def run(self, destination: str, **options: Any) -> dict[str, Any]:
        """One try; a further one is a task that was cleared."""
        self.airflow.new_try()
        given = {"task_id": "t", "destination": destination, **options}
        quick = {"poll_interval": 0.05, "max_poll_interval": 0.1, "timeout": 20}
        if self.kind == "transfer" and not hasattr(self, "job"):
            submit = JaggaerAsoSubmitOperator(task_id="s", endpoint=self.endpoint, params={"token": "s3cret"})
            self.job = submit.execute({"ti": self.airflow.ti})
            time.sleep(0.3)  # as long as the simulator prepares

        def make() -> Any:
            if self.kind == "aso":
                self.last = JaggaerAsoDownloadOperator(endpoint=self.endpoint, **quick, **given)
            elif self.kind == "transfer":
                self.last = AsyncResultDownloadOperator(job=self.job, **given)
            elif self.kind == "http":
                self.last = HttpAsyncJobOperator(endpoint=self.endpoint + "?key=s3cret", **quick, **given)
            elif self.kind == "sap_request":
                self.last = OpenConnectorsAsyncRequestOperator(
                    endpoint="hubs/documents/folders/copy",
                    params={"path": "/TestFolderCreate"},
                    json={"path": "/copy"},
                    callback_base_url=self.airflow.url,
                    timeout=20,
                    **given,
                )
            else:
                self.last = OpenConnectorsBulkDownloadOperator(object_name="contacts", **quick, **given)
            return self.last

        result: dict[str, Any] = self.airflow.run(make)
        return result

    def link(self) -> str:
        """What the worker puts into XCom when it is done with the task."""
        (button,) = (b for b in self.last.operator_extra_links if isinstance(b, ResultLink))
        return button.get_link(self.last, ti_key=self.airflow.ti)

    def events(self) -> dict[str, dict[str, Any]]:
        """What Airflow would put into its database: the extra by asset."""
        found: dict[str, dict[str, Any]] = {}
        for key, accessor in self.airflow.outlet_events._dict.items():
            if isinstance(key, AssetUniqueKey):
                found[key.uri] = accessor.extra
            for event in accessor.asset_alias_events:
                found[f"{event.source_alias_name}: {event.dest_asset_key.uri}"] = event.extra
        return found


@pytest.fixture(params=OPERATORS)
def task(
    request: pytest.FixtureRequest,
    airflow: PlayedAirflow,
    run_simulator: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Maker:
    """An operator of each kind in turn, and its simulator."""
    maker = Maker(request.param, airflow)
    simulator: Any
    if maker.kind in ("aso", "transfer"):
        simulator, conn_id = AsoSimulator(processing_seconds=0.1, result_bytes=5000), "JAGGAER_ASO_DEFAULT"
    elif maker.kind == "http":
        simulator, conn_id = HttpAsyncSimulator(processing_seconds=0.1), "HTTP_DEFAULT"
    else:
        simulator, conn_id = OpenConnectorsSimulator(seconds=0.1), "SAP_OPEN_CONNECTORS_DEFAULT"
    run_simulator(simulator)
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", json.dumps(simulator.airflow_connection()))
    maker.submits = lambda: simulator.journal.submits
    return maker


# -- asset events


def test_events_of_assets_and_aliases_tell_what_was_stored(task: Maker, tmp_path: Path) -> None:
    target = tmp_path / "a result.dat"

    result = task.run(str(target), outlets=[FOLDER, LATEST])

    assert result["bytes"] == target.stat().st_size > 0
    facts = {name: result[name] for name in ("uri", "bytes", "sha256")}
    assert task.events() == {FOLDER.uri: facts, f"latest_export: {target.as_uri()}": facts}
    json.dumps(task.events())


def test_an_event_keeps_what_is_in_it_already(task: Maker, tmp_path: Path) -> None:
    task.airflow.outlet_events[FOLDER].extra["owner"] = "sourcing"

    result = task.run(str(tmp_path / "x"), outlets=[FOLDER])

    assert task.events()[FOLDER.uri] == {
        "owner": "sourcing", **{name: result[name] for name in ("uri", "bytes", "sha256")}
    }  # fmt: skip


def test_without_outlets_there_are_no_events(task: Maker, tmp_path: Path) -> None:
    task.run(str(tmp_path / "x"))
    assert len(task.airflow.outlet_events) == 0


def test_what_was_there_is_reported_as_well(task: Maker, tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"there")

    result = task.run(str(target), outlets=[FOLDER], if_exists="skip")

    facts = {"uri": target.as_uri(), "bytes": 5, "sha256": None}
    assert task.events() == {FOLDER.uri: facts}
    assert result.items() >= {"skipped": True, "seconds": 0.0, **facts}.items()


def test_what_must_not_be_replaced_stops_everything(task: Maker, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"there")
    begun = task.submits()

    with pytest.raises(DestinationExistsError):
        task.run(str(tmp_path / "x"), outlets=[FOLDER], if_exists="fail")

    assert task.submits() - begun == (1 if task.kind == "transfer" else 0)
    assert task.events() == {}


# -- the link


def test_a_file_on_a_worker_has_no_link(task: Maker, tmp_path: Path) -> None:
    task.run(str(tmp_path / "x"))
    assert task.link() == ""


def test_the_link_leads_to_the_object_on_the_connection_s_own_server(
    task: Maker,
    moto_s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = moto_s3.endpoint.removeprefix("http://")
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection(endpoint_url=f"http://user:pass@{host}")
    )
    key = "a folder/50 % of it #1?.dat"

    result = task.run(f"s3://results/{key}", outlets=[LATEST])

    assert moto_s3.content(key)
    assert result["uri"] == f"s3://results/{key}"
    assert task.link() == f"http://{host}/results/a%20folder/50%20%25%20of%20it%20%231%3F.dat"
    assert "link" not in result
    # Airflow would cut the URI at "#" and sort its "query".
    assert list(task.events()) == ["latest_export: s3://results/a%20folder/50%20%25%20of%20it%20%231%3F.dat"]


# -- lineage


def test_lineage_leads_from_the_endpoint_to_the_destination(task: Maker, tmp_path: Path) -> None:
    pytest.importorskip("airflow.providers.openlineage", reason="the OpenLineage provider is optional")
    from airflow.providers.openlineage.extractors.base import DefaultExtractor

    target = tmp_path / "a result.dat"
    result = task.run(str(target))

    found = DefaultExtractor(task.last).extract_on_complete(task.airflow.ti)
    (source,) = found.inputs
    (stored,) = found.outputs
    host = task.last.hook.endpoint.base_url.partition("://")[2].partition("/")[0]
    assert (source.namespace, source.name) == (f"http://{host}", task.endpoint)
    assert (stored.namespace, stored.name) == ("file", str(target))
    assert stored.outputFacets["outputStatistics"].size == result["bytes"]
    assert "s3cret" not in repr(found)


def test_there_is_no_lineage_of_what_was_not_stored(task: Maker, tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"there")
    task.run(str(target), if_exists="skip")
    assert task.last.get_openlineage_facets_on_complete(task.airflow.ti) is None


def test_without_openlineage_nothing_is_imported_and_nothing_fails(
    task: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Airflow's stand-ins for what is missing stay for good once they are imported without it.
    importlib.import_module("airflow.providers.common.compat.openlineage.facet")
    for name in [n for n in sys.modules if "openlineage" in n and "common.compat" not in n]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("openlineage", "airflow.providers.openlineage"):
        monkeypatch.setitem(sys.modules, name, None)

    task.run(str(tmp_path / "x"))

    assert task.last.get_openlineage_facets_on_complete(task.airflow.ti) is None


def test_an_upload_leads_the_other_way(
    airflow: PlayedAirflow,
    open_connectors_simulator: OpenConnectorsSimulator,
    open_connectors_connection: str,
    tmp_path: Path,
) -> None:
    pytest.importorskip("airflow.providers.openlineage", reason="the OpenLineage provider is optional")
    source = tmp_path / "accounts.csv"
    source.write_text("id,name\n1,A\n", encoding="utf-8")
    operators = []

    def make() -> Any:
        operators.append(
            OpenConnectorsBulkUploadOperator(
                task_id="t", object_name="accounts", source=str(source), poll_interval=0.05, timeout=20
            )
        )
        return operators[-1]

    assert make().get_openlineage_facets_on_complete(None) is None
    airflow.run(make)

    found = operators[-1].get_openlineage_facets_on_complete(None)
    assert [(d.namespace, d.name) for d in found.inputs] == [("file", str(source))]
    assert [(d.namespace, d.name) for d in found.outputs] == [
        (open_connectors_simulator.url, "elements/api-v2/accounts")
    ]


@pytest.mark.parametrize("authorized", [False, True])
def test_a_pre_signed_url_gets_no_credentials_on_the_remote_itself_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authorized: bool
) -> None:
    with running(content=b"a,b") as server:
        connection = {"conn_type": "http", "host": server.origin, "login": "u", "password": "p"}
        monkeypatch.setenv("AIRFLOW_CONN_HTTP_DEFAULT", json.dumps(connection))
        handle = JobHandle("http_location", "7", 0.0, f"{server.origin}/s")
        status = JobStatus(JobState.SUCCEEDED, result=Result(url=server.url, authorized=authorized))
        fetch(HttpAsyncJobHook("http_default"), handle, status, f"{tmp_path}/file", log=logging.getLogger())
        assert ("authorization" in server.requests[0].headers) is authorized
