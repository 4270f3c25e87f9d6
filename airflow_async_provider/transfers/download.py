# SPDX-License-Identifier: Apache-2.0
"""Bring files from URLs to disk, S3 or any object storage."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_async_provider._download.files import AT_ONCE
from airflow_async_provider._download.limits import (
    MAX_RESULT_BYTES,
    MAX_RESULT_SECONDS,
    MIN_BYTES_PER_SECOND,
    check_bound,
)
from airflow_async_provider._download.locations import is_folder
from airflow_async_provider._download.options import StoreOptions
from airflow_async_provider._jobs.arguments import refuse_unknown, store_options_of, with_retry_policy
from airflow_async_provider._jobs.results.link import ResultLink
from airflow_async_provider._jobs.results.openlineage import lineage, remote_dataset, stored_dataset
from airflow_async_provider._jobs.results.settings import StoreSettings
from airflow_async_provider._jobs.results.store import deliver, stored_by
from airflow_async_provider._jobs.results.upload_memory import TaskUploadMemory
from airflow_async_provider._jobs.tracebacks import make_plain
from airflow_async_provider._urls import origin, path_of, same_origin
from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks._registry import hook_for_connection

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_async_provider._download.files import FilesReport
    from airflow_async_provider._download.source.expected import Expected
    from airflow_async_provider._download.source.http import HttpSource
    from airflow_async_provider._download.source.http_connection import UrlOpener
    from airflow_async_provider._transport.sender import Sender

#: These are credentials: they belong into the connection, where they are masked and kept to its origin.
CREDENTIAL_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


class DownloadOperator(BaseOperator):
    """
    Download a file, or several, to a destination: whole or not at all, streaming, hashed.

    A broken connection is taken up again where it stopped; slow sources are read over several connections.

    Returns ``{"uri", "bytes", "sha256", "content_type", "content_encoding", "etag", "seconds", "resumes",
    "skipped"}``. With several URLs, or a destination that ends with a slash, the files lie below it beside a
    manifest that is written last, and ``{"uri", "manifest", "files", "bytes", "sha256", "seconds", "kept",
    "skipped"}`` is returned.

    :param url: URL of the file, or a path on the connection; a list of them for several files
    :param destination: ``s3://bucket/key``, an absolute path or ``file://`` URL, or any URL that Airflow's
        ObjectStoragePath opens; for several files a prefix that ends with a slash
    :param conn_id: Airflow connection (of type ``http`` or of any system of this package) whose credentials
        go to its own origin, and whose TLS settings and proxy count. None: a public or pre-signed URL,
        without credentials
    :param headers: further headers (media types), sent to the URL's own origin only; never credentials
    :param aws_conn_id: Airflow connection for ``s3://`` destinations
    :param if_exists: ``replace`` what is there, ``skip`` the download, or ``fail``
    :param s3_extra_args: for ``s3://`` further arguments of the upload as boto3 names them:
        ``{"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": …, "ACL": …, "Tagging": {"team": "data"}}``
    :param object_storage_options: for other storages options of the file system
    :param max_result_bytes: largest size (bytes, default 100 GiB), of several files together; None for any
    :param min_bytes_per_second: slowest pace over five minutes (default 1024); None for any
    :param max_result_seconds: longest time of the download (default 24 hours); None for any
    :param unpack: ``gzip`` or ``zip``: store what is packed in the file
    :param charset: decode text from this charset and store it as UTF-8; ``declared`` takes the one that the
        answer names
    :param media_type: what the file is (``text/csv``, ``text/*``, or a list); an answer of another type is
        refused. None: anything but an HTML page and a document that is only an error; ``*/*``: anything
    :param files_at_once: of several files, how many are under way at once (default 8)
    """

    template_fields: Sequence[str] = (
        "url",
        "destination",
        "conn_id",
        "headers",
        "aws_conn_id",
        "s3_extra_args",
        "object_storage_options",
    )
    operator_extra_links = (ResultLink(),)
    ui_color = "#d9ecf7"

    def __init__(
        self,
        *,
        url: str | Sequence[str],
        destination: str,
        conn_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        aws_conn_id: str | None = "aws_default",
        if_exists: Literal["replace", "skip", "fail"] = "replace",
        s3_extra_args: Mapping[str, Any] | None = None,
        object_storage_options: Mapping[str, Any] | None = None,
        max_result_bytes: int | None = MAX_RESULT_BYTES,
        min_bytes_per_second: float | None = MIN_BYTES_PER_SECOND,
        max_result_seconds: float | None = MAX_RESULT_SECONDS,
        unpack: Literal["gzip", "zip"] | None = None,
        charset: str | None = None,
        media_type: str | Sequence[str] | None = None,
        files_at_once: int = AT_ONCE,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(type(self), kwargs)
        super().__init__(**with_retry_policy(kwargs))
        self.url = url
        self.destination = destination
        self.conn_id = conn_id
        self.headers = headers
        self.aws_conn_id = aws_conn_id
        self.s3_extra_args = s3_extra_args
        self.object_storage_options = object_storage_options
        self.store_options = store_options_of(locals())
        self.media_type = media_type
        self.files_at_once = files_at_once
        check_bound("files_at_once", files_at_once)
        self._media_types()
        _check_headers(headers)
        for each in [url] if isinstance(url, str) else url if isinstance(url, list | tuple) else ():
            self._check_url(each)

    def execute(self, context: Context) -> dict[str, Any]:
        """Download."""
        begun = time.time()
        _check_headers(self.headers)
        if isinstance(self.url, str) and not is_folder(self.destination):
            from airflow_async_provider._download.fetch import download

            report: Any = download(
                self._source(self.url),
                self.destination,
                self._options(),
                uploads=TaskUploadMemory(context, self.log),
                log=self.log,
            )
        else:
            report = self._store_files(context)
        return deliver(self, context, report, since=begun)

    def _store_files(self, context: Mapping[str, Any]) -> FilesReport:
        from airflow_async_provider._download.files import FileToStore, store_files
        from airflow_async_provider._transport.sender import Sender

        urls = [self.url] if isinstance(self.url, str) else list(self.url)
        sender = Sender(connections=self.files_at_once, hosts=self.files_at_once)
        files = [FileToStore(partial(self._source, url, sender), url=self._absolute(url)) for url in urls]
        try:
            return store_files(
                files,
                self.destination,
                self._options(),
                run=_run_of(context, urls),
                at_once=self.files_at_once,
                log=self.log,
            )
        finally:
            sender.close()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Lineage for Airflow's OpenLineage provider: the URL in, the destination out."""
        report = stored_by(self)
        if report is None or report.skipped:
            return None
        source = None
        if isinstance(self.url, str):
            url = self._absolute(self.url)
            source = remote_dataset(origin(url), path_of(url))
        return lineage(source, stored_dataset(report.uri), size=report.bytes)

    @cached_property
    def hook(self) -> AsyncApiHook | None:
        """The hook of the connection, None without one."""
        return None if self.conn_id is None else hook_for_connection(self.conn_id)

    def _options(self) -> StoreOptions:
        return StoreSettings.of(self).options

    def _check_url(self, url: Any) -> None:
        if not isinstance(url, str) or "{{" in url or "{%" in url:
            return
        if not url.strip():
            raise ConfigurationError("url is empty.")
        if self.conn_id is None and not url.lower().startswith(("http://", "https://")):
            shown = url.split("?", 1)[0][:100] if "@" not in url else "The URL"
            raise ConfigurationError(
                f"{shown} is not an http or https URL. A path needs the connection that it is a path on: set "
                "conn_id."
            )

    def _absolute(self, url: str) -> str:
        return url if self.hook is None else self.hook.endpoint.resolve(url)

    def _source(self, url: str, sender: Sender | None = None) -> HttpSource:
        from airflow_async_provider._download.source.http import HttpSource

        self._check_url(url)
        return HttpSource(self._opener(url, sender), expected=self._expected(url))

    def _opener(self, url: str, sender: Sender | None) -> UrlOpener:
        from airflow_async_provider._download.source.http_connection import UrlOpener
        from airflow_async_provider._transport.reach import Reach

        if self.hook is None:
            reach = Reach(origin(url), partial(same_origin, url))  # a redirect must not lead into the machine
            return UrlOpener(url, headers=self.headers, reach=reach, sender=sender)
        endpoint = self.hook.endpoint
        return UrlOpener(
            endpoint.resolve(url),
            headers=self.headers,
            credentials=self.hook.credentials_for,
            verify=endpoint.verify_for,
            proxy=endpoint.proxy,
            reach=endpoint.reach,
            cert=endpoint.cert_for,
            sender=sender,
        )

    def _media_types(self) -> tuple[str, ...]:
        from airflow_async_provider.protocols._http.kinds import media_types

        return () if self.media_type is None else media_types(self.media_type, "media_type")

    def _expected(self, url: str) -> Expected:
        from airflow_async_provider._download.source.expected import Expected

        return Expected.named(self.destination, url, media_types=self._media_types())


make_plain(DownloadOperator)


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, Mapping):
        return
    for name in headers:
        if str(name).lower() in CREDENTIAL_HEADERS:
            raise ConfigurationError(
                f"headers holds {name!r}, a credential. Put it into a connection and set conn_id: there it "
                "is masked, and goes to the connection's own host only."
            )


def _run_of(context: Mapping[str, Any], urls: Sequence[str]) -> str:
    """The same for each try of a task, and another one for other URLs; signatures may differ."""
    ti: Any = context["ti"]
    digest = hashlib.sha256("\n".join(url.split("?", 1)[0] for url in urls).encode()).hexdigest()
    return f"{ti.dag_id}/{ti.task_id}/{ti.run_id}/{ti.map_index}/{digest[:16]}"
