# SPDX-License-Identifier: Apache-2.0
"""The SAP Open Connectors hook against the simulated platform, over real sockets, sync and async."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace

import pytest

from airflow_async_provider._jobs.results.store import fetch
from airflow_async_provider._transport.multipart import MultipartFile
from airflow_async_provider._transport.triggerer import pool
from airflow_async_provider.errors import (
    AuthenticationError,
    ConfigurationError,
    SubmitError,
    SubmitUnknownError,
    TransientError,
)
from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.hooks.open_connectors import OpenConnectorsHook
from airflow_async_provider.protocols import HttpRequest, JobHandle, JobState
from airflow_async_provider.protocols._open_connectors.protocol import SIGNATURE
from tests.support.s3_servers import rclone_s3  # noqa: F401 - fixtures

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

CALLBACK = "http://127.0.0.1:9/cb/c2VjcmV0"
SECRETS = {"user_secret": "u+/=", "element_token": "e+/=", "organization_secret": "o+/="}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Another try comes at once here: what is tested is that it comes."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def sap(open_connectors_simulator, open_connectors_connection):
    return open_connectors_simulator


@pytest.fixture
def hook(sap):
    return OpenConnectorsHook()


def connect(monkeypatch, **changes):
    """Define another connection."""
    value = {"conn_type": "sap_open_connectors", "host": "h.example.com", "extra": SECRETS, **changes}
    monkeypatch.setenv("AIRFLOW_CONN_OC_TEST", json.dumps(value))
    return OpenConnectorsHook("oc_test")


# -- connections


@pytest.mark.parametrize(
    ("connection", "base"),
    [
        ({"host": "api.example.com"}, "https://api.example.com/elements/api-v2"),
        ({"host": "https://api.example.com/"}, "https://api.example.com/elements/api-v2"),
        ({"host": "http://127.0.0.1", "port": 81}, "http://127.0.0.1:81/elements/api-v2"),
        ({"host": "https://lb.example.com/oc/elements/api-v2/"}, "https://lb.example.com/oc/elements/api-v2"),
        ({"host": "https://lb.example.com/v3"}, "https://lb.example.com/v3"),
    ],
)
def test_the_base_path_is_added_where_there_is_none(monkeypatch, connection, base):
    assert connect(monkeypatch, **connection).endpoint.base_url == base


def test_both_forms_of_authorization(monkeypatch):
    remote = connect(monkeypatch).endpoint
    assert remote.auth.headers() == {"Authorization": "User u+/=, Element e+/="}
    assert remote.platform.auth.headers() == {"Authorization": "User u+/=, Organization o+/="}
    for secret in SECRETS.values():
        assert secret not in repr(remote)
        assert secret not in repr(remote.platform)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({}, "no user_secret"),
        ({**SECRETS, "user_secret": ""}, "no user_secret"),
        ({**SECRETS, "user_secret": "a b"}, "user_secret .* Copy it again"),
        ({**SECRETS, "element_token": "e\n"}, "element_token .* Copy it again"),
        ({**SECRETS, "organization_secret": "o,x"}, "organization_secret .* Copy it again"),
        ({**SECRETS, "element_token": "ü"}, "element_token .* Copy it again"),
    ],
)
def test_connections_that_cannot_be(monkeypatch, extra, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        _ = connect(monkeypatch, extra=extra).endpoint
    assert "e+/=" not in str(caught.value)


def test_what_is_missing_is_said_when_it_is_needed_and_before_anything_is_sent(monkeypatch, sap):
    hook = connect(monkeypatch, host=sap.url, extra={"user_secret": "u"})
    with pytest.raises(ConfigurationError, match="element_token"):
        hook.submit("POST", "x", callback_url=CALLBACK)
    with pytest.raises(ConfigurationError, match="organization_secret"):
        hook.submit("POST", "x", queue_url="http://127.0.0.1:9/q")
    with pytest.raises(ConfigurationError, match="organization_secret"):
        hook.platform_call(HttpRequest("GET", "accounts/settings"))
    assert sap.journal.entries() == []
    assert hook.test_connection() == (
        False,
        "Setting: The extra has neither element_token nor organization_secret.",
    )


def test_the_signature_is_wanted_when_there_is_a_key(monkeypatch):
    without = connect(monkeypatch).connection
    assert OpenConnectorsHook.signature_scheme(without) is None
    assert OpenConnectorsHook.signature_keys(without) == []
    old = connect(monkeypatch, extra={**SECRETS, "signature_key": "b2xk"}).connection
    assert OpenConnectorsHook.signature_keys(old) == ["b2xk"]
    both = {"signature_key": "b2xk", "signature_secret": "a2V5"}
    key = connect(monkeypatch, extra={**SECRETS, **both}).connection
    assert OpenConnectorsHook.signature_scheme(key) == SIGNATURE
    assert OpenConnectorsHook.signature_keys(key) == ["a2V5"]


def test_the_registries_know_all_three(sap):
    for protocol in ("open_connectors", "open_connectors_bulk", "open_connectors_queue"):
        assert isinstance(hook_for(JobHandle(protocol, "1", 0.0)), OpenConnectorsHook)


def test_the_connection_can_be_tested(monkeypatch, sap, hook):
    ok, message = hook.test_connection()
    assert ok, message
    assert "connector instance: HTTP 200, platform: HTTP 200" in message
    wrong = {**sap.airflow_connection()["extra"], "element_token": "wrong"}
    ok, message = connect(monkeypatch, host=sap.url, extra=wrong).test_connection()
    assert (ok, message) == (False, "Credentials: The connector instance refuses the secrets (401).")
    wrong = {**sap.airflow_connection()["extra"], "organization_secret": "wrong"}
    ok, message = connect(monkeypatch, host=sap.url, extra=wrong).test_connection()
    assert (ok, message) == (False, "Credentials: The platform refuses the secrets (401).")
    only_platform = {k: v for k, v in sap.airflow_connection()["extra"].items() if k != "element_token"}
    ok, message = connect(monkeypatch, host=sap.url, extra=only_platform).test_connection()
    assert ok
    assert "instance" not in message
    sap.faults.add("ping", "http_status", status=502)
    assert hook.test_connection() == (False, "Answer: The connector instance answers with HTTP 502.")
    sap.faults.add("ping", "http_status", status=404)
    assert hook.test_connection()[0] is True
    nobody = connect(monkeypatch, host="http://127.0.0.1:9")
    ok, message = nobody.test_connection()
    assert not ok
    assert "127.0.0.1:9" in message


# -- asynchronous requests


def submit(hook, **changes):
    arguments = {"callback_url": CALLBACK, "params": {"path": "/Reports"}, "json": {"path": "/q1"}, **changes}
    return hook.submit("POST", "/hubs/documents/folders/copy", **arguments)


def test_an_asynchronous_request(sap, hook):
    handle = submit(hook, failure_rule=["error"])
    assert (handle.protocol, handle.job_id) == ("open_connectors", "1028")
    assert handle.options == {"failure_rule": ["error"]}
    assert "c2VjcmV0" not in json.dumps(handle.to_dict())
    [entry] = sap.journal.entries("submit")
    assert entry.has_header("Elements-Async-Request")
    assert entry.has_header("Elements-Async-Callback-URL")
    assert entry.auth_scheme == "User"
    assert sap.requests.job().url == CALLBACK
    with pytest.raises(ConfigurationError):
        hook.status(handle)
    assert not hook.cancel(handle)


def test_exactly_one_address_is_wanted(sap, hook):
    with pytest.raises(ConfigurationError):
        submit(hook, callback_url=None)
    with pytest.raises(ConfigurationError):
        submit(hook, queue_url="http://127.0.0.1:9/q")
    assert sap.journal.submits == 0


def test_a_refused_request(sap, hook):
    with pytest.raises(SubmitError) as caught:
        submit(hook, params={"path": "/Nowhere"})
    assert "The folder was not found." in str(caught.value)
    assert "Path not found: /Nowhere" in str(caught.value)
    assert caught.value.request_id
    assert caught.value.request_id in str(caught.value)


def test_wrong_secrets(monkeypatch, sap):
    with pytest.raises(AuthenticationError, match="user_secret and element_token"):
        submit(connect(monkeypatch, host=sap.url))


@pytest.mark.parametrize(
    "fault", [{"fault": "reset", "processed": True}, {"fault": "http_status", "status": 502}]
)
def test_a_lost_answer_never_leads_to_a_second_request(sap, hook, fault):
    kind = fault.pop("fault")
    sap.faults.add("submit", kind, times=None, **fault)
    with pytest.raises(SubmitUnknownError, match="may or may not"):
        submit(hook)
    assert sap.journal.submits == 1


def test_a_429_is_waited_out(sap, hook):
    sap.faults.add("submit", "http_status", status=429, retry_after=0, times=2)
    assert submit(hook).job_id == "1028"
    assert sap.journal.submits == 3


def test_a_429_for_a_limit_is_not(sap, hook):
    sap.faults.add(
        "submit", "http_status", status=429, body='{"message": "payload size above 5 MB"}', times=None
    )
    with pytest.raises(SubmitError, match="Trying again does not help"):
        submit(hook)
    assert sap.journal.submits == 1


# -- the queue


@pytest.mark.parametrize(
    "open_connectors_simulator",
    [{"policy": "queue", "seconds": 0}, {"policy": "queue", "seconds": 0, "event_id_place": "message"}],
    indirect=True,
)
async def test_queued_webhooks_are_fetched_with_the_platform_s_credentials(sap, hook):
    handle = submit(hook, callback_url=None, queue_url="http://127.0.0.1:9/q/1")
    other = submit(hook, callback_url=None, queue_url="http://127.0.0.1:9/q/2")
    assert sap.journal.wait(lambda j: j.noted("webhook_queued") == 4)
    status = hook.status(JobHandle.from_dict(json.loads(json.dumps(handle.to_dict()))))
    assert status.state is JobState.SUCCEEDED
    assert status.result.value["events"][0]["path"] == "/q1"
    assert status.detail["job_id"] == handle.job_id == "1028"
    async with pool():
        status = await hook.astatus(other.to_dict())
    assert status.state is JobState.SUCCEEDED
    assert status.detail["job_id"] == "1029"


@pytest.mark.parametrize("open_connectors_simulator", [{"policy": "queue", "seconds": None}], indirect=True)
def test_before_anything_is_queued_the_request_is_running(sap, hook):
    handle = submit(hook, callback_url=None, queue_url="http://127.0.0.1:9/q")
    sap.journal.wait(lambda j: j.noted("webhook_queued") == 1)
    status = hook.status(handle)
    assert (status.state, status.remote_status) == (JobState.RUNNING, "started")
    sap.requests.finish(outcome="failed")
    sap.journal.wait(lambda j: j.noted("webhook_queued") == 2)
    assert hook.status(handle).state is JobState.FAILED


def test_platform_calls(sap, hook):
    body = {"notification.webhook.failure.policy": "queue"}
    response = hook.platform_call(HttpRequest("PATCH", "accounts/settings", json=body))
    assert response.status == 200
    assert sap.webhooks.policy == "queue"


# -- bulk


@pytest.mark.parametrize(
    "open_connectors_simulator", [{"seconds": 0, "plan": {"records": 500}}], indirect=True
)
def test_a_bulk_download(sap, hook, tmp_path):
    handle = hook.download("contacts", format="csv", select_fields=["id"], where="x='1'")
    status = hook.status(handle)
    assert status.state is JobState.SUCCEEDED
    assert status.detail == {"record_count": 500, "error_count": 0}
    report = fetch(hook, handle, status, str(tmp_path / "c.csv"), log=hook.log)
    assert report.sha256 == sap.bulk.job().content.sha256
    assert report.content_type == "text/csv"
    assert (tmp_path / "c.csv").read_text().splitlines()[:2] == ["id", "000000000"]
    assert not hook.cancel(handle)


async def test_a_bulk_download_is_watched_and_cancelled_from_the_triggerer(sap, hook):
    sap.script(seconds=None)
    handle = hook.download("contacts")
    async with pool():
        assert (await hook.astatus(handle)).state is JobState.RUNNING
        assert await hook.acancel(handle)
        assert (await hook.astatus(handle)).state is JobState.CANCELLED


def test_a_lost_start_of_a_download_is_repeated(sap, hook):
    sap.faults.add("submit", "reset", processed=True)
    assert hook.download("contacts").job_id == "42114493"
    assert sap.journal.jobs_started == 2


@pytest.mark.parametrize(
    "open_connectors_simulator",
    [{"seconds": 0, "plan": {"failed_records": 450, "records": 500}}],
    indirect=True,
)
def test_errors_of_single_records(sap, hook):
    handle = hook.download("contacts")
    assert len(hook.bulk_errors(handle)) == 200
    assert len(hook.bulk_errors(handle, limit=7)) == 7
    everything = hook.bulk_errors(handle, limit=1000)
    assert len(everything) == len(set(everything)) == 450
    with pytest.raises(ConfigurationError):
        hook.bulk_errors(JobHandle("open_connectors", "1", 0.0))


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / 'a "b"ü.csv'
    path.write_bytes(b"id,name\n" + b"".join(b"%d,x\n" % n for n in range(200_000)))
    return path


@pytest.mark.parametrize("form", [str, lambda p: p.as_uri()])
def test_a_bulk_upload_is_streamed(sap, hook, rows, form):
    handle = hook.upload(
        "accounts", form(rows), metadata={"action": "upsert"}, correlation_id="AF-1", callback_url=CALLBACK
    )
    job = sap.bulk.job()
    assert (handle.job_id, handle.data) == (str(job.job_id), {"bytes": rows.stat().st_size})
    assert job.upload.sha256 == hashlib.sha256(rows.read_bytes()).hexdigest()
    assert job.upload.lines == 200_001
    assert job.upload.metadata == {"action": "upsert", "callback-payload": {"correlationId": "AF-1"}}
    assert job.callback == CALLBACK
    assert job.upload.filename.endswith(".csv")
    assert hook.status(handle).result is None


def test_an_upload_without_metadata_and_one_of_json(sap, hook, tmp_path):
    path = tmp_path / "empty"
    path.touch()
    hook.upload("accounts", str(path))
    assert (sap.bulk.job().upload.size, sap.bulk.job().upload.metadata) == (0, {})
    path.write_text('{"a": 1}\n')
    hook.upload("accounts", str(path), format="jsonl")
    assert sap.bulk.job().upload.metadata == {"format": "json"}


def test_an_upload_from_s3(sap, hook, monkeypatch, rclone_s3):
    monkeypatch.setenv("AIRFLOW_CONN_AWS_TEST", rclone_s3.connection())
    body = b"id\n" + b"1234567\n" * 100_000
    rclone_s3.client.put_object(Bucket=rclone_s3.bucket, Key="a/b.csv", Body=body)
    hook.upload("accounts", f"s3://{rclone_s3.bucket}/a/b.csv", aws_conn_id="aws_test")
    assert sap.bulk.job().upload.sha256 == hashlib.sha256(body).hexdigest()
    assert sap.bulk.job().upload.filename == "b.csv"
    with pytest.raises(ConfigurationError, match="not there"):
        hook.upload("accounts", f"s3://aws_test@{rclone_s3.bucket}/missing.csv")
    assert sap.journal.submits == 1


@pytest.mark.parametrize(
    "source",
    [
        "relative.csv",
        "",
        "file://elsewhere/a.csv",
        "s3://user:pass@bucket/key",
        "s3://bucket",
        "gs://a:b@c/d",
    ],
)
def test_sources_that_cannot_be(sap, hook, source):
    with pytest.raises(ConfigurationError) as caught:
        hook.upload("accounts", source)
    assert "pass" not in str(caught.value).replace("password", "")
    assert sap.journal.submits == 0


def test_sources_that_are_not_there(sap, hook, tmp_path):
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(ConfigurationError, match="Nothing was sent"):
            hook.upload("accounts", str(path))
    assert sap.journal.submits == 0


@pytest.mark.parametrize("change", [b"", b"shorter", b"x" * 3_000_000])
def test_a_file_that_changes_while_it_is_sent_breaks_the_request_off(sap, hook, rows, monkeypatch, change):
    from airflow_async_provider._download.source import upload

    opened = upload._LocalFile._blocks

    def changed(self):
        rows.write_bytes(change)
        yield from opened(self)

    monkeypatch.setattr(upload._LocalFile, "_blocks", changed)
    with pytest.raises(SubmitError, match="changed while it was being sent"):
        hook.upload("accounts", str(rows))
    assert sap.journal.jobs_started == 0


def test_a_file_that_cannot_be_read_to_its_end(sap, hook, rows, monkeypatch):
    from airflow_async_provider._download.source import upload

    def broken(self):
        yield b"id\n"
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(upload._LocalFile, "_blocks", broken)
    with pytest.raises(SubmitError, match="Input/output error"):
        hook.upload("accounts", str(rows))
    assert sap.journal.jobs_started == 0


@pytest.mark.parametrize("fault", [{"processed": True}, {}])
def test_a_lost_answer_to_an_upload_never_leads_to_a_second_one(sap, hook, rows, fault):
    sap.faults.add("submit", "reset", times=None, **fault)
    with pytest.raises(SubmitUnknownError):
        hook.upload("accounts", str(rows))
    assert sap.journal.submits == 1


def test_an_upload_that_never_left_is_no_unknown_one(monkeypatch, rows):
    with pytest.raises(TransientError) as caught:
        connect(monkeypatch, host="http://127.0.0.1:9").upload("accounts", str(rows))
    assert caught.value.sent is False


def test_a_refused_upload(sap, hook, rows):
    sap.faults.add("submit", "http_status", status=413, body='{"message": "too large", "requestId": "r1"}')
    with pytest.raises(SubmitError, match="r1"):
        hook.upload("accounts", str(rows))


# -- the form


def test_a_form_can_be_gone_through_twice_and_knows_its_length():
    form = MultipartFile(
        {"metaData": ("application/json", b"{}")},
        name="file",
        filename='x"\r\n.csv',
        content_type="text/csv",
        chunks=lambda: iter([b"a", b"bc"]),
        size=3,
    )
    once = b"".join(form)
    assert once == b"".join(form)
    assert len(once) == len(form)
    assert b'filename="x%22%0D%0A.csv"' in once
    boundary = form.content_type.partition("boundary=")[2].encode()
    assert once.count(boundary) == 3
    assert form.sent == 3
