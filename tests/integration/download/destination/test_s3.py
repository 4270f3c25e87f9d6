# SPDX-License-Identifier: Apache-2.0
"""S3 destinations against two servers, one of which checks signatures."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_async_provider._download import download, write_bytes, write_chunks
from airflow_async_provider._download.destination.opening import open_destination
from airflow_async_provider._download.destination.s3 import MARK, S3Object
from airflow_async_provider._download.destination.s3_multipart import MIB
from airflow_async_provider._download.source.base import ChunkSource
from airflow_async_provider.errors import (
    ConfigurationError,
    DestinationExistsError,
    DownloadError,
    ResultExpiredError,
)
from tests.support.byte_server import ByteServer, Exchange, Step, change, hang_up, running, serve, status
from tests.support.s3_servers import (  # noqa: F401 - fixtures
    S3Server,
    moto_s3,
    rclone_s3,
    s3_server,
)

CONTENT = random.Random(7).randbytes(23 * MIB + 4711)
SMALL = b"small result"
ROOT = Path(__file__).resolve().parents[4]

#: Small parts, so that a few MiB are a multipart upload.
SMALL_PARTS = {
    "s3": {"transfer_config_args": {"multipart_chunksize": 5 * MIB, "multipart_threshold": 5 * MIB}}
}


@pytest.fixture
def server() -> Iterator[ByteServer]:
    with running(content=CONTENT) as server:
        yield server


#: What does not depend on which of the two it is; rclone's is the one that looks at signatures.
on_moto = pytest.mark.parametrize("s3_server", ["moto"], indirect=True)
on_rclone = pytest.mark.parametrize("s3_server", ["rclone"], indirect=True)

SIZES = [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, len(CONTENT)]


@pytest.fixture
def s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", s3_server.connection(service_config=SMALL_PARTS))
    return s3_server


@pytest.fixture
def moto(moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection(service_config=SMALL_PARTS))
    return moto_s3


def then(
    error: BaseException | None, act: Callable[[], object] = lambda: None, at: int = 18
) -> Iterator[bytes]:
    """The content in pieces; after ``at`` MiB something happens."""
    for start in range(0, len(CONTENT), MIB):
        if start == at * MIB:
            act()
            if error is not None:
                raise error
        yield CONTENT[start : start + MIB]


# -- what is written ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("s3_server", "size", "known"),
    [
        *(("moto", size, known) for size in SIZES for known in (True, False)),
        *(("rclone", 0, True), ("rclone", 5 * MIB + 1, True), ("rclone", len(CONTENT), False)),
    ],
    indirect=["s3_server"],
)
def test_all_sizes(s3: S3Server, size: int, known: bool) -> None:
    data = CONTENT[:size]
    report = write_chunks(
        [data[i : i + 700_000] for i in range(0, size, 700_000)],
        f"s3://{s3.bucket}/results/file.csv",
        length=size if known else None,
        content_type="text/csv",
    )
    assert s3.content("results/file.csv") == data
    assert (report.uri, report.bytes) == (f"s3://{s3.bucket}/results/file.csv", size)
    assert report.sha256 == hashlib.sha256(data).hexdigest()
    head = s3.client.head_object(Bucket=s3.bucket, Key="results/file.csv")
    assert head["ContentType"] == "text/csv"
    assert s3.unfinished_uploads() == []
    parts = head["ETag"].strip('"').partition("-")[2]
    if s3.name == "moto":  # its ETag tells how many parts there were
        assert parts == ("" if size < 5 * MIB or (known and size == 5 * MIB) else str(-(-size // (5 * MIB))))


def test_download_with_a_broken_connection(s3: S3Server, server: ByteServer) -> None:
    server.steps = [serve(cut=9 * MIB), serve(cut=3 * MIB, how="reset")]
    report = download(server.url, f"s3://{s3.bucket}/file.csv")
    assert s3.content("file.csv") == CONTENT
    assert report.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert report.resumes == 2
    assert s3.client.head_object(Bucket=s3.bucket, Key="file.csv")["ContentType"] == "text/csv"


@on_moto
def test_changed_object_is_fetched_anew(s3: S3Server, server: ByteServer) -> None:
    server.steps = [serve(cut=9 * MIB), change(serve(), etag='"v2"', content=CONTENT[::-1])]
    report = download(server.url, f"s3://{s3.bucket}/file.csv")
    assert s3.content("file.csv") == CONTENT[::-1]
    assert report.etag == '"v2"'
    assert s3.unfinished_uploads() == []


def test_compressed_bytes_are_marked_as_such(moto: S3Server, server: ByteServer) -> None:
    server.content, server.headers = SMALL, {"Content-Encoding": "gzip"}
    report = download(server.url, f"s3://{moto.bucket}/file.gz")
    assert moto.content("file.gz") == SMALL
    assert report.content_encoding == "gzip"
    assert moto.client.head_object(Bucket=moto.bucket, Key="file.gz")["ContentEncoding"] == "gzip"


@on_rclone
@pytest.mark.parametrize("key", ["plain", "a b/c+d.csv", "ünï/#1?x=y&z", "per%20cent/%41", "dots/a..b"])
def test_keys_are_taken_as_they_are(s3: S3Server, key: str) -> None:
    write_bytes(SMALL, f"s3://{s3.bucket}/{key}")
    assert s3.stored_keys() == [key]


def test_connection_in_the_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ARCHIVE", s3_server.connection())
    report = write_bytes(SMALL, f"s3://archive@{s3_server.bucket}/file", aws_conn_id="not_there")
    assert s3_server.content("file") == SMALL
    assert report.uri == f"s3://{s3_server.bucket}/file"


@pytest.mark.parametrize("size", [3, 11 * MIB])
def test_further_arguments_of_the_upload(moto: S3Server, size: int) -> None:
    write_bytes(
        CONTENT[:size],
        f"s3://{moto.bucket}/file",
        s3_extra_args={
            "Metadata": {"job": "7"},
            "StorageClass": "STANDARD_IA",
            "ContentType": "x/y",
            "ChecksumAlgorithm": "SHA256",
        },
        content_type="text/csv",
    )
    head = moto.client.head_object(Bucket=moto.bucket, Key="file")
    assert (head["Metadata"], head["StorageClass"], head["ContentType"]) == (
        {"job": "7"},
        "STANDARD_IA",
        "x/y",
    )


def test_one_connection_without_threads(moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"multipart_chunksize": 5 * MIB, "use_threads": False, "max_concurrency": 7}
    extra = {"service_config": {"s3": {"transfer_config_args": arguments}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection(**extra))
    most = 0

    def chunks() -> Iterator[bytes]:
        nonlocal most
        for chunk in then(None):
            most = max(most, sum(t.name.startswith("s3-part") for t in threading.enumerate()))
            yield chunk

    write_chunks(chunks(), f"s3://{moto_s3.bucket}/file")
    assert moto_s3.content("file") == CONTENT
    assert most == 1


def test_own_sizes_without_settings(moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection())
    write_bytes(CONTENT, f"s3://{moto_s3.bucket}/file")
    assert moto_s3.content("file") == CONTENT
    assert moto_s3.client.head_object(Bucket=moto_s3.bucket, Key="file")["ETag"].endswith('-3"')


def test_we_are_named_to_the_server(moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the amazon provider's own means, in all its versions; ours spares it the search for its caller."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection())
    place = open_destination(f"s3://{moto_s3.bucket}/file")
    assert isinstance(place, S3Object)
    client = place.hook.get_conn()
    told: list[Any] = []
    client.meta.events.register(
        "before-send.s3", lambda request, **_: told.append(request.headers["User-Agent"])
    )

    place.write(ChunkSource([b"abc"], length=3))

    (agent,) = [name.decode() if isinstance(name, bytes) else name for name in told]
    assert "Airflow/" in agent
    assert "Caller/AirflowAsyncProvider" in agent


# -- what is there already ----------------------------------------------------------------------------------


@on_moto
def test_replace(s3: S3Server) -> None:
    for data in (b"old", SMALL):
        write_bytes(data, f"s3://{s3.bucket}/file")
    assert s3.content("file") == SMALL


@on_moto
def test_skip_and_fail_ask_for_nothing(s3: S3Server, server: ByteServer) -> None:
    write_bytes(SMALL, f"s3://{s3.bucket}/file")
    report = download(server.url, f"s3://{s3.bucket}/file", if_exists="skip")
    assert (report.skipped, report.bytes) == (True, len(SMALL))
    with pytest.raises(DestinationExistsError, match="exists already"):
        download(server.url, f"s3://{s3.bucket}/file", if_exists="fail")
    assert server.requests == []
    assert s3.content("file") == SMALL


@on_moto
@pytest.mark.parametrize("if_exists", ["skip", "fail"])
@pytest.mark.parametrize("size", [3, 11 * MIB])
def test_skip_and_fail_write_where_nothing_is(s3: S3Server, if_exists: Any, size: int) -> None:
    write_bytes(CONTENT[:size], f"s3://{s3.bucket}/file", if_exists=if_exists)
    assert s3.content("file") == CONTENT[:size]


@pytest.mark.parametrize("at", [1, 18])
def test_fail_holds_when_another_one_was_faster(moto: S3Server, at: int) -> None:
    def another() -> None:
        moto.client.put_object(Bucket=moto.bucket, Key="file", Body=b"theirs")

    data = CONTENT[: 2 * MIB] if at == 1 else CONTENT
    with pytest.raises(DestinationExistsError):
        write_chunks(
            (chunk for chunk, _ in zip(then(None, another, at), range(-(-len(data) // MIB)), strict=False)),
            f"s3://{moto.bucket}/file",
            if_exists="fail",
        )
    assert moto.content("file") == b"theirs"
    assert moto.unfinished_uploads() == []


REFUSED = status(412, b"<Error><Code>PreconditionFailed</Code><Message>At least one ...</Message></Error>")
FORGOTTEN = status(
    404, b"<Error><Code>NoSuchUpload</Code><Message>It may have been completed</Message></Error>"
)
TORN = status(500, b"<Error><Code>InternalError</Code><Message>We encountered one</Message></Error>")


def handed_on(moto: S3Server, *, lost: bool = False) -> Step:
    """What moto makes of the request; its answer may get lost on the way back."""

    def step(exchange: Exchange) -> None:
        request = exchange.request
        connection = http.client.HTTPConnection(moto.endpoint.removeprefix("http://"), timeout=20)
        with contextlib.closing(connection):
            connection.request(request.method, request.target, request.body, dict(request.headers))
            answer = connection.getresponse()
            body = answer.read()
        if lost:
            return hang_up()(exchange)
        exchange.head(answer.status, {**dict(answer.getheaders()), "Connection": "keep-alive"})
        return exchange.connection.sendall(body)

    return step


@contextlib.contextmanager
def before(
    moto: S3Server, monkeypatch: pytest.MonkeyPatch, creating: list[Step], **extra: Any
) -> Iterator[ByteServer]:
    """Moto behind a server that takes these steps when an object is to be created, and then hands on."""

    def step(exchange: Exchange) -> None:
        request = exchange.request
        creates = (request.method, "?" in request.target) == ("PUT", False) or (
            request.method == "POST" and "uploadId=" in request.target
        )
        (creating.pop(0) if creates and creating else handed_on(moto))(exchange)

    with running(steps=[step] * 100) as front:
        connection = moto.connection(service_config=SMALL_PARTS, **extra)
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection.replace(moto.endpoint, front.origin))
        yield front


@pytest.mark.parametrize(
    ("size", "again"),
    [(3, REFUSED), (3, TORN), (11 * MIB, REFUSED), (11 * MIB, FORGOTTEN), (11 * MIB, hang_up())],
    ids=["412", "500", "412 in parts", "404 in parts", "lost in parts"],
)
def test_fail_knows_its_own_object_again(
    moto: S3Server, monkeypatch: pytest.MonkeyPatch, size: int, again: Step
) -> None:
    """The object was created and the answer got lost; then boto3 makes the call again."""
    attempts = {"config_kwargs": {"s3": {"addressing_style": "path"}, "retries": {"total_max_attempts": 2}}}
    with before(moto, monkeypatch, [handed_on(moto, lost=True), again], **attempts):
        report = write_bytes(
            CONTENT[:size],
            f"s3://{moto.bucket}/file",
            if_exists="fail",
            s3_extra_args={"Metadata": {"job": "7"}},
        )
    assert report.bytes == size
    assert moto.content("file") == CONTENT[:size]
    metadata = moto.client.head_object(Bucket=moto.bucket, Key="file")["Metadata"]
    assert metadata == {"job": "7", MARK: metadata[MARK]}
    assert moto.unfinished_uploads() == []


@pytest.mark.parametrize("size", [3, 11 * MIB])
def test_fail_takes_no_object_of_another_one_for_its_own(
    moto: S3Server, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Though the answer got lost, and theirs is the same to the byte, written in the same way."""
    theirs = write_bytes(CONTENT[:size], f"s3://{moto.bucket}/theirs", if_exists="fail")

    def faster(exchange: Exchange) -> None:
        source = {"Bucket": moto.bucket, "Key": "theirs"}
        moto.client.copy_object(Bucket=moto.bucket, Key="file", CopySource=source)
        hang_up()(exchange)

    with before(moto, monkeypatch, [faster]), pytest.raises(DestinationExistsError):
        write_bytes(CONTENT[:size], f"s3://{moto.bucket}/file", if_exists="fail")
    assert theirs.bytes == size
    assert MARK in moto.client.head_object(Bucket=moto.bucket, Key="file")["Metadata"]
    assert moto.unfinished_uploads() == []


def test_fail_cannot_look_for_its_own_object(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused_and_gone(exchange: Exchange) -> None:
        REFUSED(exchange)
        exchange.server.steps[:] = [status(403)]

    with before(moto, monkeypatch, [refused_and_gone]), pytest.raises(DestinationExistsError):
        write_bytes(SMALL, f"s3://{moto.bucket}/file", if_exists="fail")


@on_moto
@pytest.mark.parametrize("if_exists", ["replace", "skip"])
def test_no_mark_is_left_where_none_is_needed(s3: S3Server, if_exists: Any) -> None:
    write_bytes(SMALL, f"s3://{s3.bucket}/file", if_exists=if_exists)
    assert MARK not in s3.client.head_object(Bucket=s3.bucket, Key="file")["Metadata"]


# -- what goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("s3_server", "error", "at"),
    [
        ("moto", RuntimeError("x"), 18),
        ("moto", RuntimeError("x"), 2),
        ("moto", OSError("y"), 18),
        ("moto", KeyboardInterrupt(), 18),
        ("moto", SystemExit(1), 2),
        ("rclone", KeyboardInterrupt(), 18),
    ],
    indirect=["s3_server"],
)
def test_failed_source_leaves_nothing_and_its_own_error(s3: S3Server, error: BaseException, at: int) -> None:
    s3.client.put_object(Bucket=s3.bucket, Key="file", Body=b"old")
    with pytest.raises(type(error)) as caught:
        write_chunks(then(error, at=at), f"s3://{s3.bucket}/file")
    assert caught.value is error
    assert s3.content("file") == b"old"
    assert s3.unfinished_uploads() == []


@on_moto
def test_source_that_is_refused_in_a_late_part(s3: S3Server, server: ByteServer) -> None:
    expired = status(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
    server.steps = [serve(cut=20 * MIB), expired]
    with pytest.raises(ResultExpiredError):
        download(server.url, f"s3://{s3.bucket}/file")
    assert s3.stored_keys() == []
    assert s3.unfinished_uploads() == []


def test_upload_that_the_server_forgets(s3: S3Server) -> None:
    # AWS and rclone say NoSuchUpload, moto 500
    with pytest.raises(DownloadError, match=r"s3://results/file cannot be written.*HTTP (404|500)"):
        write_chunks(then(None, s3.abort_all), f"s3://{s3.bucket}/file")
    assert s3.stored_keys() == []


def test_upload_that_cannot_even_be_aborted(
    moto: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server goes away in the middle: the first error comes out, the second one is a line with advice."""
    with running() as gone:
        connection = moto.connection(
            service_config=SMALL_PARTS, config_kwargs={"retries": {"total_max_attempts": 1}}
        )
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection.replace(moto.endpoint, gone.origin))
        begun = b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
        gone.steps = [status(200, begun)]
        with pytest.raises(RuntimeError, match="the source's own"):
            write_chunks(then(RuntimeError("the source's own"), gone.close), f"s3://{moto.bucket}/file")
    assert "AbortIncompleteMultipartUpload" in caplog.text


@pytest.mark.parametrize("size", [3, 11 * MIB])
def test_server_that_knows_no_conditions(moto: S3Server, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    with running() as plain:
        monkeypatch.setenv(
            "AIRFLOW_CONN_AWS_DEFAULT",
            moto.connection(service_config=SMALL_PARTS).replace(moto.endpoint, plain.origin),
        )
        begun = status(
            200, b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
        )
        part = status(200, headers={"ETag": '"part"'})
        refused = status(501, b"<Error><Code>NotImplemented</Code><Message>If-None-Match</Message></Error>")
        done = status(
            200, b'<CompleteMultipartUploadResult><ETag>"x-3"</ETag></CompleteMultipartUploadResult>'
        )
        parts = [begun, part, part, part] if size > MIB else []
        plain.steps = [status(404), *parts, refused, done]
        write_bytes(CONTENT[:size], f"s3://{moto.bucket}/file", if_exists="fail")
    assert [r.headers.get("if-none-match") for r in plain.requests[-2:]] == ["*", None]


@pytest.mark.parametrize("if_exists", ["replace", "skip"])
def test_wrong_keys(
    rclone_s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    if_exists: Any,
) -> None:
    wrong = rclone_s3.connection().replace(rclone_s3.secret_key, "NOTTHEKEYNOTTHEKEY")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", wrong)
    with pytest.raises(
        DownloadError, match=r"s3://results/file cannot be .* 'aws_default': HTTP 403"
    ) as caught:
        write_bytes(SMALL, f"s3://{rclone_s3.bucket}/file", if_exists=if_exists)
    assert caught.value.http_status == 403
    assert ("s3:ListBucket" in str(caught.value)) is (if_exists == "skip")
    assert "NOTTHEKEY" not in str(caught.value)


@on_moto
@pytest.mark.parametrize("size", [3, 11 * MIB])
@pytest.mark.parametrize("if_exists", ["replace", "fail"])
def test_missing_bucket(s3: S3Server, size: int, if_exists: Any) -> None:
    with pytest.raises(DownloadError, match="NoSuchBucket"):
        write_bytes(CONTENT[:size], "s3://no-such-bucket/file", if_exists=if_exists)


def test_server_that_is_not_there(
    moto_s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running() as gone:
        connection = moto_s3.connection(config_kwargs={"retries": {"total_max_attempts": 1}})
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection.replace(moto_s3.endpoint, gone.origin))
    for if_exists in ("replace", "skip"):
        with pytest.raises(DownloadError, match="Could not connect"):
            write_bytes(SMALL, f"s3://{moto_s3.bucket}/file", if_exists=if_exists)


@pytest.mark.parametrize(
    "destination", ["s3://bucket", "s3://bucket/", "s3:///key", "s3://bucket/dir/", "s3://a:b@c/d"]
)
def test_destinations_that_are_refused(destination: str) -> None:
    with pytest.raises(ConfigurationError):
        write_bytes(SMALL, destination)


@on_moto
def test_signal_in_the_middle_aborts_the_upload(s3: S3Server, server: ByteServer) -> None:
    """Airflow ends a task by an exception out of the handler of SIGTERM; parts are under way then."""
    server.steps = [serve(cut=20 * MIB, how="silence")]
    code = """
        import signal, sys
        from airflow_async_provider._download import HttpSource, download
        class Terminated(BaseException): pass
        def handler(*_): raise Terminated
        source = HttpSource(sys.argv[1])
        read = source.read
        def reading(size):
            if source.offset >= 19 * 1024 * 1024:
                signal.signal(signal.SIGTERM, handler)
                print("mid", flush=True)
                source.read = read
            return read(size)
        source.read = reading
        try:
            download(source, sys.argv[2])
        except Terminated:
            print("ended", flush=True)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), server.url, f"s3://{s3.bucket}/file"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any(line == "mid\n" for line in lines), process.communicate()[1]
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert "ended" in out, err
    assert s3.stored_keys() == []
    assert s3.unfinished_uploads() == []


# -- arguments of the upload --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 11 * MIB])
def test_encryption_tags_and_acl_reach_every_call(
    moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """What the connection says counts, and what the task says counts more."""
    of_connection = {"ServerSideEncryption": "AES256", "StorageClass": "STANDARD_IA", "ACL": "private"}
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        moto_s3.connection(
            extra_args=of_connection,
            service_config={"s3": {**SMALL_PARTS["s3"], "extra_args": {"StorageClass": "ONEZONE_IA"}}},
        ),
    )
    write_bytes(
        CONTENT[:size],
        f"s3://{moto_s3.bucket}/file",
        s3_extra_args={
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": "arn:aws:kms:us-east-1:123456789012:key/abc",
            "Tagging": {"team": "data team", "stage": "raw"},
            "ACL": "public-read",
        },
    )
    client = moto_s3.client
    head = client.head_object(Bucket=moto_s3.bucket, Key="file")
    assert (head["ServerSideEncryption"], head["StorageClass"]) == ("aws:kms", "ONEZONE_IA")
    assert head["SSEKMSKeyId"].endswith("key/abc")
    tags = client.get_object_tagging(Bucket=moto_s3.bucket, Key="file")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "data team", "stage": "raw"}
    grants = client.get_object_acl(Bucket=moto_s3.bucket, Key="file")["Grants"]
    assert "READ" in {grant["Permission"] for grant in grants}


def test_arguments_of_the_connection_that_cannot_be(
    moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch, server: ByteServer
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto_s3.connection(extra_args={"Encryption": "x"}))
    with pytest.raises(ConfigurationError, match="extra_args of connection 'aws_default' has the unknown"):
        download(server.url, f"s3://{moto_s3.bucket}/file")
    assert server.requests == []


# -- before the job is started


def test_a_bucket_is_checked(s3: S3Server) -> None:
    S3Object(s3.bucket, "x").check()
    assert s3.stored_keys() == []
    with pytest.raises(ConfigurationError, match=r"nowhere-7/x cannot be written: .*no bucket 'nowhere-7'"):
        S3Object("nowhere-7", "x").check()


@pytest.mark.parametrize("answer", [403, 301, 405, 503])
def test_only_a_sure_refusal_is_one(answer: int, server: ByteServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy may allow to put objects and nothing else: AWS answers 403 to HeadBucket then."""
    connection = S3Server("mute", server.origin, "AKIAMUTE", "secret").connection()
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
    server.by_path = lambda _: status(answer)
    S3Object("results", "x").check()
    assert {request.method for request in server.requests} == {"HEAD"}


def test_a_server_that_knows_no_such_request_is_no_refusal(
    server: ByteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = S3Server("mute", server.origin, "AKIAMUTE", "secret").connection()
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
    server.by_path = lambda _: status(404)
    S3Object("results", "x").check()
    assert [request.method for request in server.requests] == ["HEAD", "GET"]


def test_credentials_and_connections_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(ConfigurationError, match=r"locate credentials.*no Airflow connection 'absent'"):
        S3Object("results", "x", aws_conn_id="absent").check()


def test_a_server_that_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = S3Server("gone", "http://127.0.0.1:9", "AKIAGONE", "s3cret-key").connection()
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection)
    with pytest.raises(DownloadError, match="cannot be reached with connection 'aws_default'") as caught:
        S3Object("results", "x").check()
    assert "s3cret-key" not in str(caught.value)
