# SPDX-License-Identifier: Apache-2.0
"""
Bulk jobs of SAP Open Connectors against the simulated platform and the real receiver, over real sockets.

Airflow's part is played, see ``played_airflow``.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_async_provider._transport import retries as again
from airflow_async_provider.errors import (
    ConfigurationError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JobTimeoutError,
    SubmitUnknownError,
)
from airflow_async_provider.operators.open_connectors import (
    OpenConnectorsBulkDownloadOperator,
    OpenConnectorsBulkUploadOperator,
)
from airflow_async_provider.simulators.open_connectors import OpenConnectorsSimulator
from tests.support.played_airflow import PlayedAirflow, airflow  # noqa: F401 - a fixture

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

KEY = "MySecretEventSignatureKey"
Try = Callable[..., Any]


def simulator(**options: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "open_connectors_simulator", [{"signature_key": KEY, "seconds": 0.1, **options}], indirect=True
    )


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another try of a request comes at once here: what is tested is that it comes."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(again, "MAX_PAUSE", 0.01)


@pytest.fixture
def sap(
    open_connectors_simulator: OpenConnectorsSimulator, open_connectors_connection: str
) -> OpenConnectorsSimulator:
    return open_connectors_simulator


@pytest.fixture
def try_(airflow: PlayedAirflow) -> Try:
    """Run one try of a bulk job."""

    def run(cls: Any, **changes: Any) -> Any:
        arguments = {
            "callback_base_url": airflow.url,
            "timeout": 10,
            "poll_interval": 0.05,
            "max_poll_interval": 0.1,
            **changes,
        }
        return airflow.run(lambda: cls(task_id="t", **arguments))

    return run


# -- bulk downloads


@simulator(plan={"records": 300})
def test_a_bulk_download_by_polling(sap: Any, airflow: PlayedAirflow, try_: Try, tmp_path: Path) -> None:
    report = try_(
        OpenConnectorsBulkDownloadOperator,
        object_name="contacts",
        destination=str(tmp_path / "c.csv"),
        format="csv",
        select_fields=["id", "email"],
        where="x='1'",
        job_criteria={"limit": 200},
        callback=False,
    )
    assert report["sha256"] == sap.bulk.job().content.sha256
    assert (report["records"], report["errors"], report["job_id"]) == (200, 0, "42114492")
    assert (report["via"], report["content_type"]) == ("poll", "text/csv")
    assert sap.bulk.job().callback is None
    assert sap.bulk.job().criteria["where"] == "x='1'"
    assert airflow.deferrals == 1
    skipped = try_(
        OpenConnectorsBulkDownloadOperator,
        object_name="contacts",
        destination=str(tmp_path / "c.csv"),
        if_exists="skip",
    )
    assert skipped["skipped"]
    assert sap.journal.jobs_started == 1


DOWNLOAD: dict[str, Any] = {"object_name": "contacts", "format": "jsonl"}


@simulator(seconds=0.4)
def test_a_bulk_download_by_its_signed_notification(
    sap: Any, airflow: PlayedAirflow, try_: Try, tmp_path: Path
) -> None:
    report = try_(
        OpenConnectorsBulkDownloadOperator,
        **DOWNLOAD,
        destination=str(tmp_path / "c"),
        safety_poll_interval=60,
    )
    assert report["via"] == "callback"
    assert report["sha256"] == sap.bulk.job().content.sha256
    assert sap.bulk.job().callback.startswith(airflow.url)
    # The notification is only a hint: the status was asked for before it was believed.
    assert sap.journal.polls == 1


@simulator(seconds=0.5, plan={"tamper": "forged"})
def test_a_forged_notification_only_costs_the_time_of_the_polls(sap: Any, try_: Try, tmp_path: Path) -> None:
    report = try_(
        OpenConnectorsBulkDownloadOperator,
        **DOWNLOAD,
        destination=str(tmp_path / "c"),
        safety_poll_interval=0.2,
    )
    assert report["via"] == "poll"
    assert sap.journal.noted("webhook_accepted") == 0


@simulator(outcome="failed")
def test_an_aborted_download_fails_with_the_errors_in_the_log(
    sap: Any, try_: Try, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(JobFailedError, match=r"ABORTED.*provider error"):
        try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"))
    assert "The provider closed the connection" in capsys.readouterr().out
    assert not (tmp_path / "c").exists()


@simulator(plan={"records": 10, "failed_records": 3})
def test_records_that_went_wrong_fail_the_task_unless_allowed(
    sap: Any, airflow: PlayedAirflow, try_: Try, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {**DOWNLOAD, "destination": str(tmp_path / "c")}
    with pytest.raises(JobFailedError, match=r"3 records went wrong \(max_errors=0\)"):
        try_(OpenConnectorsBulkDownloadOperator, **arguments)
    assert "Record 3: the field 'email' is not valid" in capsys.readouterr().out
    assert not (tmp_path / "c").exists()
    airflow.new_try()
    report = try_(OpenConnectorsBulkDownloadOperator, **arguments, max_errors=3)
    assert (report["records"], report["errors"]) == (7, 3)
    airflow.clear()
    assert try_(OpenConnectorsBulkDownloadOperator, **arguments, max_errors=None)["errors"] == 3
    assert sap.journal.jobs_started == 3


@simulator(plan={"records": 10, "failed_records": 3})
def test_failed_records_count_in_whichever_spelling_they_are(sap: Any, try_: Try, tmp_path: Path) -> None:
    sap.faults.add("status", "alter", update={"errorCount": 0, "recordsFailedCount": 3}, times=None)
    with pytest.raises(JobFailedError, match="3 records went wrong"):
        try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"))


@simulator()
def test_an_error_beside_completed_fails_the_task(sap: Any, try_: Try, tmp_path: Path) -> None:
    sap.faults.add("status", "alter", update={"error": "The provider broke off"}, times=None)
    with pytest.raises(JobFailedError, match="The provider broke off"):
        try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"))
    assert not (tmp_path / "c").exists()


@simulator(outcome="failed")
def test_the_status_of_another_job_is_no_end_of_ours(sap: Any, try_: Try, tmp_path: Path) -> None:
    sap.faults.add("status", "alter", update={"id": 1, "jobStatus": "COMPLETED"}, times=3)
    with pytest.raises(JobFailedError, match="ABORTED"):
        try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"))
    assert sap.journal.polls >= 4


@simulator(plan={"records": 10, "failed_records": 3})
def test_errors_that_cannot_be_read_do_not_hide_the_failure(
    sap: Any, try_: Try, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sap.faults.add("errors", "http_status", status=403, times=None)
    with pytest.raises(JobFailedError, match="3 records"):
        try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"))
    assert "cannot be read" in capsys.readouterr().out


@simulator(seconds=None)
def test_a_download_that_takes_too_long_is_cancelled(
    sap: Any, airflow: PlayedAirflow, try_: Try, tmp_path: Path
) -> None:
    with pytest.raises(JobTimeoutError, match="cancelled at the remote"):
        try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"), timeout=0.4)
    assert sap.bulk.job().outcome == "cancelled"
    airflow.new_try()
    threading.Timer(0.3, lambda: sap.bulk.finish(outcome="cancelled")).start()
    with pytest.raises(JobCancelledError):
        try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"))


@simulator(seconds=None)
def test_a_killed_download_is_cancelled_by_put(sap: Any, airflow: PlayedAirflow, tmp_path: Path) -> None:
    task = OpenConnectorsBulkDownloadOperator(
        task_id="t",
        **DOWNLOAD,
        destination=str(tmp_path / "c"),
        deferrable=False,
        callback=False,
        poll_interval=0.1,
        max_poll_interval=0.1,
    )
    ended: list[BaseException] = []

    def execute() -> None:
        try:
            task.execute(airflow.context)  # type: ignore[arg-type] # a played one
        except JobCancelledError as e:
            ended.append(e)

    thread = threading.Thread(target=execute)
    thread.start()
    airflow.until(lambda: sap.journal.jobs_started)
    airflow.until(lambda: "job" in str(airflow.store.get("async_job", {}).get("handle")))
    task.on_kill()
    assert sap.bulk.job().outcome == "cancelled"
    [entry] = sap.journal.entries("cancel")
    assert entry.method == "PUT"
    thread.join(15)
    assert len(ended) == 1


@simulator()
def test_a_file_that_is_gone_is_collected_anew_by_a_retry(
    sap: Any, airflow: PlayedAirflow, try_: Try, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_async_provider._download.source import http as source

    impatient = source.DownloadRetryPolicy(patience_404=0.1)
    monkeypatch.setattr(source, "DownloadRetryPolicy", lambda: impatient)
    sap.faults.add("result", "http_status", status=404, times=None)
    with pytest.raises(JobExpiredError, match="A retry of this task collects it anew"):
        try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"))
    sap.faults.clear()
    airflow.new_try()
    assert try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"))["records"]
    assert sap.journal.jobs_started == 2


@simulator(spelling="page")
def test_other_spellings_end_as_well(sap: Any, try_: Try, tmp_path: Path) -> None:
    report = try_(OpenConnectorsBulkDownloadOperator, **DOWNLOAD, destination=str(tmp_path / "c"))
    assert report["records"] == 1000


# -- bulk uploads


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"id,name\n" + b"".join(b"%d,x\n" % n for n in range(1000)))
    return path


@simulator(seconds=0.3)
def test_a_bulk_upload(sap: Any, airflow: PlayedAirflow, try_: Try, rows: Path) -> None:
    report = try_(
        OpenConnectorsBulkUploadOperator,
        object_name="accounts",
        source=str(rows),
        metadata={"action": "upsert", "identifierFieldName": "id"},
        safety_poll_interval=60,
    )
    job = sap.bulk.job()
    assert report["seconds"] >= 0
    assert report == {
        "job_id": str(job.job_id),
        "records": 1001,
        "errors": 0,
        "bytes": rows.stat().st_size,
        "seconds": report["seconds"],
        "via": "callback",
    }
    assert job.upload.sha256 == hashlib.sha256(rows.read_bytes()).hexdigest()
    assert job.upload.metadata["action"] == "upsert"
    assert len(job.upload.metadata["callback-payload"]["correlationId"]) == 32


@simulator(plan={"failed_records": 4})
def test_an_upload_with_failed_records_is_not_repeated_by_a_retry(
    sap: Any, airflow: PlayedAirflow, try_: Try, rows: Path
) -> None:
    for _ in range(2):
        with pytest.raises(JobFailedError, match="4 records went wrong"):
            try_(OpenConnectorsBulkUploadOperator, object_name="accounts", source=str(rows))
        airflow.new_try()
    assert sap.journal.jobs_started == 1
    report = try_(OpenConnectorsBulkUploadOperator, object_name="accounts", source=str(rows), max_errors=4)
    assert (report["errors"], sap.journal.jobs_started) == (4, 1)


@simulator()
def test_an_upload_of_unknown_fate_is_not_repeated_and_a_missing_file_is(
    sap: Any, airflow: PlayedAirflow, try_: Try, rows: Path
) -> None:
    arguments = {"object_name": "accounts", "source": str(rows)}
    with pytest.raises(ConfigurationError, match="Nothing was sent"):
        try_(OpenConnectorsBulkUploadOperator, **{**arguments, "source": str(rows) + ".missing"})
    airflow.new_try()
    sap.faults.add("submit", "reset", processed=True)
    with pytest.raises(SubmitUnknownError):
        try_(OpenConnectorsBulkUploadOperator, **arguments)
    airflow.new_try()
    with pytest.raises(SubmitUnknownError, match=r"sent .*rows.csv to accounts"):
        try_(OpenConnectorsBulkUploadOperator, **arguments)
    assert sap.journal.submits == 1


@simulator(outcome="failed")
@pytest.mark.parametrize("metadata", [None, {"action": "insert"}, {"action": "UPSERT"}])
def test_an_upload_that_broke_off_half_way_is_sent_again_only_if_that_writes_nothing_twice(
    sap: Any, airflow: PlayedAirflow, try_: Try, rows: Path, metadata: Any
) -> None:
    arguments = {"object_name": "accounts", "source": str(rows), "metadata": metadata}
    sap.faults.add("status", "alter", update={"recordCount": 600}, times=None)
    again = bool(metadata) and metadata["action"] == "UPSERT"
    said = "ABORTED" if again else "600 records may be in already.*a retry sends nothing"
    for tries in (1, 2):
        with pytest.raises(JobFailedError, match=said):
            try_(OpenConnectorsBulkUploadOperator, **arguments)
        assert sap.journal.jobs_started == (tries if again else 1)
        airflow.new_try()
    # A person may clear the task, but has to say that it may be sent again.
    airflow.clear()
    sap.faults.clear()
    sap.script(outcome="completed")
    assert try_(OpenConnectorsBulkUploadOperator, **arguments, reattach=False)["records"] == 1001


@simulator(seconds=60)
@pytest.mark.parametrize("count", [0, 600])
def test_an_upload_that_was_cancelled_at_its_deadline_is_sent_again_only_if_nothing_is_in(
    sap: Any, airflow: PlayedAirflow, try_: Try, rows: Path, count: int
) -> None:
    arguments = {"object_name": "accounts", "source": str(rows), "timeout": 0.5, "deferrable": False}
    sap.faults.add("status", "alter", update={"recordCount": count}, times=None)
    with pytest.raises(JobTimeoutError, match="It was cancelled at the remote system"):
        try_(OpenConnectorsBulkUploadOperator, **arguments)
    airflow.new_try()
    again: tuple[type[JobError], str] = (JobTimeoutError, "did not end")
    if count:
        again = (JobCancelledError, "600 records may be in already")
    with pytest.raises(again[0], match=again[1]):
        try_(OpenConnectorsBulkUploadOperator, **arguments)
    assert sap.journal.jobs_started == (1 if count else 2)


@simulator(outcome="failed")
def test_a_failed_upload_may_be_sent_by_a_retry(
    sap: Any, airflow: PlayedAirflow, try_: Try, rows: Path
) -> None:
    arguments = {"object_name": "accounts", "source": str(rows)}
    with pytest.raises(JobFailedError):
        try_(OpenConnectorsBulkUploadOperator, **arguments)
    airflow.new_try()
    sap.script(outcome="completed")
    assert try_(OpenConnectorsBulkUploadOperator, **arguments)["records"] == 1001
