# SPDX-License-Identifier: Apache-2.0
"""The plain download operator over real sockets: whose credentials go where, one file, several, and S3."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider.errors import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    OriginError,
    ResultLimitError,
)
from airflow_async_provider.transfers.download import DownloadOperator
from tests.support.byte_server import ByteServer, redirect, running, serve, status
from tests.support.one_task import OneTask
from tests.support.s3_servers import S3Server, moto_s3  # noqa: F401 - fixtures

CONTENT = random.Random(7).randbytes(1_500_000)
BASIC = "Basic " + base64.b64encode(b"me:SECRET").decode()


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with running(content=CONTENT) as server:
        yield server


@pytest.fixture
def other() -> Iterator[ByteServer]:
    with running(content=CONTENT[::-1]) as server:
        yield server


def connect(monkeypatch: pytest.MonkeyPatch, server: ByteServer, **settings: Any) -> str:
    connection = {
        "conn_type": "http",
        "host": f"{server.origin}/api",
        "login": "me",
        "password": "SECRET",
        **settings,
    }
    monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps(connection))
    return "files"


def run(task: OneTask | None = None, *, events: Any = None, **arguments: Any) -> tuple[DownloadOperator, Any]:
    operator = DownloadOperator(task_id="t", **arguments)
    context = (task or OneTask()).context
    if events is not None:
        context["outlet_events"] = events
    return operator, operator.execute(context)


def sent(server: ByteServer, header: str) -> list[str | None]:
    return [request.headers.get(header) for request in server.requests]


# -- one file -----------------------------------------------------------------------------------------------


def test_a_public_url_is_fetched_without_credentials(server: ByteServer, tmp_path: Path) -> None:
    server.steps = [serve(cut=700_000)]
    _, report = run(url=server.url, destination=f"{tmp_path}/file.csv")
    assert (tmp_path / "file.csv").read_bytes() == CONTENT
    assert (report["bytes"], report["sha256"]) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert (report["resumes"], report["content_type"]) == (1, "text/csv")
    assert sent(server, "authorization") == [None, None]
    assert "SECRETSIGNATURE" not in json.dumps(report)


def test_a_path_on_a_connection_gets_its_credentials(
    server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn_id = connect(monkeypatch, server, extra={"X-Tenant": "7"})
    run(
        url="/files/x y.csv?a=1", destination=f"{tmp_path}/f", conn_id=conn_id, headers={"Accept": "text/csv"}
    )
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert [request.target for request in server.requests] == ["/api/files/x%20y.csv?a=1"]
    assert (sent(server, "authorization"), sent(server, "x-tenant")) == ([BASIC], ["7"])
    assert sent(server, "accept") == ["text/csv"]


def test_credentials_go_to_no_other_origin(
    server: ByteServer, other: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn_id = connect(monkeypatch, server, extra={"X-Tenant": "7"})
    server.steps = [redirect(other.url)]
    for url in ("/file", other.url):
        run(url=url, destination=f"{tmp_path}/f", conn_id=conn_id, headers={"X-Own": "1"})
        assert (tmp_path / "f").read_bytes() == CONTENT[::-1]
    assert sent(server, "authorization") == [BASIC]
    assert sent(other, "authorization") == sent(other, "x-tenant") == [None, None]
    assert sent(other, "x-own") == [None, "1"]


@pytest.mark.parametrize("with_connection", [True, False])
def test_a_redirect_does_not_lead_into_the_machines_own_network(
    server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_connection: bool
) -> None:
    """Where clouds keep credentials: nothing is asked there."""
    conn_id = connect(monkeypatch, server) if with_connection else None
    server.steps = [redirect("http://169.254.169.254/latest/meta-data/")]
    with pytest.raises(OriginError, match="link-local"):
        run(url=f"{server.origin}/file", destination=f"{tmp_path}/f", conn_id=conn_id)
    assert list(tmp_path.iterdir()) == []


def test_every_option_reaches_the_download(server: ByteServer, tmp_path: Path) -> None:
    server.content = gzip.compress("größe\n".encode("cp1252"))
    run(url=server.url, destination=f"{tmp_path}/f", unpack="gzip", charset="cp1252")
    assert (tmp_path / "f").read_text("utf-8") == "größe\n"
    with pytest.raises(ResultLimitError, match="max_result_bytes=3"):
        run(url=server.url, destination=f"{tmp_path}/g", max_result_bytes=3)
    with pytest.raises(DestinationExistsError):
        run(url=server.url, destination=f"{tmp_path}/f", if_exists="fail")
    before = len(server.requests)
    assert run(url=server.url, destination=f"{tmp_path}/f", if_exists="skip")[1]["skipped"]
    assert len(server.requests) == before


def test_s3_with_its_arguments(
    server: ByteServer, moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection())
    operator, _ = run(
        url=server.url,
        destination=f"s3://{moto_s3.bucket}/f.csv",
        s3_extra_args={"ServerSideEncryption": "AES256", "Tagging": {"team": "x"}},
    )
    assert moto_s3.content("f.csv") == CONTENT
    head = moto_s3.client.head_object(Bucket=moto_s3.bucket, Key="f.csv")
    assert (head["ServerSideEncryption"], head["ContentType"]) == ("AES256", "text/csv")
    assert ResultLink().get_link(operator, ti_key=None) == f"{moto_s3.endpoint}/{moto_s3.bucket}/f.csv"


def test_an_asset_learns_what_was_stored(server: ByteServer, tmp_path: Path) -> None:
    asset = Asset("files")
    event = SimpleNamespace(extra={})
    _, report = run(url=server.url, destination=f"{tmp_path}/f", outlets=[asset], events={asset: event})
    assert event.extra == {name: report[name] for name in ("uri", "bytes", "sha256")}


def test_an_error_is_plain_and_without_the_secret(server: ByteServer, tmp_path: Path) -> None:
    server.steps = [status(403)]
    with pytest.raises(DownloadError, match="was refused") as caught:
        run(url=server.url, destination=f"{tmp_path}/f")
    assert "SECRETSIGNATURE" not in str(caught.value)
    frames = [entry.path for entry in caught.traceback]
    assert not any("airflow_async_provider/_download" in str(path) for path in frames)
    assert list(tmp_path.iterdir()) == []


# -- several files ------------------------------------------------------------------------------------------


def test_several_files_and_one_asset_event(
    server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn_id = connect(monkeypatch, server)
    server.by_path = lambda target: target.encode()
    asset = Asset("files")
    event = SimpleNamespace(extra={})
    _, report = run(
        url=["out/a.csv", f"{server.origin}/b.csv?sig=SECRET"],
        destination=f"{tmp_path}/out/",
        conn_id=conn_id,
        outlets=[asset],
        events={asset: event},
    )
    assert (tmp_path / "out" / "a.csv").read_bytes() == b"/api/out/a.csv"
    assert (tmp_path / "out" / "b.csv").read_bytes() == b"/b.csv?sig=SECRET"
    manifest = (tmp_path / "out" / "_manifest.json").read_bytes()
    assert (report["files"], report["sha256"]) == (2, hashlib.sha256(manifest).hexdigest())
    assert event.extra == {"uri": f"{(tmp_path / 'out').as_uri()}/", "bytes": 31, "sha256": report["sha256"]}
    assert sent(server, "authorization") == [BASIC, BASIC]
    assert b"SECRET" not in manifest


def test_the_next_try_fetches_what_is_missing(server: ByteServer, tmp_path: Path) -> None:
    refused = [True]

    def by_path(target: str) -> Any:
        return status(403) if refused and "/7.csv" in target else target.encode()

    server.by_path = by_path
    task = OneTask()

    def arguments(signature: str) -> dict[str, Any]:
        return {
            "url": [f"{server.origin}/{n}.csv?sig={signature}" for n in range(10)],
            "destination": f"{tmp_path}/",
            "files_at_once": 1,
        }

    with pytest.raises(DownloadError):
        run(task, **arguments("one"))
    assert not (tmp_path / "_manifest.json").exists()
    refused.clear()
    _, report = run(task, **arguments("another"))
    assert report["files"] == 10
    assert report["kept"] >= 7


def test_one_url_below_a_prefix(server: ByteServer, tmp_path: Path) -> None:
    _, report = run(url=server.url, destination=f"{tmp_path}/out/")
    assert report["files"] == 1
    assert (tmp_path / "out" / "result.csv").read_bytes() == CONTENT


# -- what is refused where the DAG is parsed ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"url": ""}, "url is empty"),
        ({"url": "/path"}, "A path needs the connection"),
        ({"url": "ftp://host/x?key=SECRET"}, "^ftp://host/x is not an http or https URL"),
        ({"url": "ftp://user:SECRET@host/x"}, "^The URL is not an http or https URL"),
        ({"url": ["https://h/x", "y"]}, "A path needs the connection"),
        ({"destination": "relative"}, "relative path"),
        ({"if_exists": "append"}, "if_exists must be"),
        ({"unpack": "rar"}, "unpack must be"),
        ({"charset": "x-none"}, "charset must be"),
        ({"max_result_bytes": -1}, "max_result_bytes must be"),
        ({"files_at_once": 0}, "files_at_once must be"),
        ({"s3_extra_args": {"Acl": "private"}}, "Did you mean 'ACL'"),
        ({"s3_extra_args": {"ACL": "private"}}, "applies to s3://"),
        ({"headers": {"Authorization": "Bearer SECRET"}}, "headers holds 'Authorization', a credential"),
        ({"sha265": "x"}, "takes no argument 'sha265'"),
    ],
)
def test_what_cannot_be(arguments: dict[str, Any], words: str) -> None:
    given = {"task_id": "t", "url": "https://h/x", "destination": "/data/x", **arguments}
    with pytest.raises(ConfigurationError, match=words) as caught:
        DownloadOperator(**given)
    assert "SECRET" not in str(caught.value)


def test_templates_are_left_for_later() -> None:
    operator = DownloadOperator(task_id="t", url="{{ params.url }}", destination="{{ params.to }}")
    operator.url, operator.destination = "path", "/x"  # as Airflow renders them
    with pytest.raises(ConfigurationError, match="A path needs the connection"):
        operator.execute(OneTask().context)


def test_headers_are_looked_at_again_once_they_are_rendered() -> None:
    operator = DownloadOperator(task_id="t", url="https://h/x", destination="/x", headers={"{{ name }}": "x"})
    operator.headers = {"Authorization": "Bearer SECRET"}  # as Airflow renders them
    with pytest.raises(ConfigurationError, match="headers holds 'Authorization', a credential"):
        operator.execute(OneTask().context)


def test_a_connection_of_another_type(
    server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn_id = connect(monkeypatch, server, conn_type="ftp")
    with pytest.raises(ConfigurationError, match="has the type 'ftp'"):
        run(url="x", destination=f"{tmp_path}/f", conn_id=conn_id)
    assert server.requests == []


def test_its_name_is_none_of_airflows_own() -> None:
    from importlib import import_module

    for module in ("http.operators.http", "amazon.aws.transfers.http_to_s3"):
        assert not hasattr(import_module(f"airflow.providers.{module}"), "DownloadOperator")
