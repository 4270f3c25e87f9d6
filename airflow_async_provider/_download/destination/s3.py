# SPDX-License-Identifier: Apache-2.0
"""An object in S3 that appears complete or not at all, with a failed multipart upload aborted."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from airflow_async_provider._download.destination.base import Destination
from airflow_async_provider._download.destination.s3_multipart import (
    CONCURRENCY,
    PART,
    MultipartUpload,
    part_size,
)
from airflow_async_provider._download.destination.s3_small import SmallObjects
from airflow_async_provider._download.options import IfExists
from airflow_async_provider._download.s3_arguments import check_s3_arguments
from airflow_async_provider._download.source.base import ByteSource, fill
from airflow_async_provider.errors import ConfigurationError, DownloadError

log = logging.getLogger(__name__)

#: Where the console of each of AWS's partitions is.
CONSOLES = {
    "aws": "https://console.aws.amazon.com",
    "aws-cn": "https://console.amazonaws.cn",
    "aws-us-gov": "https://console.amazonaws-us-gov.com",
}

#: User metadata of an object that was to be a new one: a value of the writer's own, to know it again by.
MARK = "airflow-async-write"


class S3Object(Destination):
    """
    One object.

    :param bucket: bucket name
    :param key: object key, spelled as it shall be
    :param aws_conn_id: Airflow connection; its endpoint, region, TLS and ``service_config`` count
    :param if_exists: see :func:`~.destination.open_destination`
    :param options: further arguments of the upload, as boto3 names them (ServerSideEncryption, ACL ...)
    """

    def __init__(
        self,
        bucket: str,
        key: str,
        *,
        aws_conn_id: str | None = "aws_default",
        if_exists: IfExists = "replace",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"s3://{bucket}/{key}", if_exists)
        self.bucket = bucket
        self.key = key
        self.aws_conn_id = aws_conn_id
        self._options = check_s3_arguments(options)
        self._hook: Any = None
        self._one_part_at_a_time = False
        self._small: SmallObjects | None = None

    @property
    def hook(self) -> Any:
        """The amazon provider's ``S3Hook``, made when first needed."""
        if self._hook is None:
            self._hook = _named_hook()(aws_conn_id=self.aws_conn_id)
        return self._hook

    @functools.cached_property
    def extra_arguments(self) -> dict[str, Any]:
        """
        Further arguments of the upload: ``extra_args`` of the connection, and over them the task's own.

        :raises ConfigurationError: the connection's cannot be
        """
        found: dict[str, Any] = {}
        of_connection = self.hook.conn_config.extra_config
        for where, given in (
            ("extra_args", of_connection.get("extra_args")),
            ("service_config.s3.extra_args", self.hook.service_config.get("extra_args")),
        ):
            found |= check_s3_arguments(given, where=f"{where} of connection {self.aws_conn_id!r}")
        return found | self._options

    def prepare(self) -> None:
        """Look up the connection; importing the amazon provider alone takes seconds."""
        self.hook.get_conn()
        _ = self.extra_arguments

    def check(self) -> None:
        """
        Whether the bucket is there and credentials are found.

        A policy that allows to put an object may allow neither to look at the bucket nor to list it, and a
        server may know no such request. So 403 is no refusal, and 404 is one only when the list says
        "NoSuchBucket", as 404 is also what servers answer to a request that they do not know. A bucket
        that is busy (429, 5xx) is there.
        """
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            ParamValidationError,
            PartialCredentialsError,
            ProfileNotFound,
        )

        try:
            self.prepare()
            if self._bucket_is_missing():
                raise self._unusable(f"there is no bucket {self.bucket!r}")
        except (NoCredentialsError, PartialCredentialsError, ProfileNotFound, ParamValidationError) as error:
            raise self._unusable(str(error).rstrip(".")) from error
        except (BotoCoreError, ClientError) as error:
            raise self._error("be reached", error) from error

    def _bucket_is_missing(self) -> bool:
        from botocore.exceptions import ClientError

        client = self.hook.get_conn()
        try:
            client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
                return False
            try:
                client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
            except ClientError as more:
                return bool(more.response.get("Error", {}).get("Code") == "NoSuchBucket")
        except RecursionError:  # boto3 asks so for the region of a bucket, for every 301 that names none
            return False
        return False

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"{self.uri} cannot be written: {why}.{self._absent()}")

    def _absent(self) -> str:
        """What S3Hook does without an error where there is no such connection."""
        if self.aws_conn_id is None or self.hook.conn_config.conn_type is not None:
            return ""
        return (
            f" There is no Airflow connection {self.aws_conn_id!r}, so boto3's own credentials (environment, "
            "profile, role) were looked for."
        )

    def link(self) -> str:
        """The object in AWS's console; on any other server its address, which asks for a login of its own."""
        meta = self.hook.get_conn().meta
        endpoint = urlsplit(meta.endpoint_url)
        if (endpoint.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
            console = CONSOLES.get(meta.partition)
            where = f"{quote(self.bucket)}?region={quote(meta.region_name)}&prefix={quote(self.key, safe='')}"
            return f"{console}/s3/object/{where}" if console else ""
        place = endpoint.netloc.rpartition("@")[2] + endpoint.path.rstrip("/")
        return f"{endpoint.scheme}://{place}/{quote(self.bucket)}/{quote(self.key)}"

    def size(self) -> int | None:
        """Size of the object there."""
        found = self._looked_up()
        return None if found is None else int(found["ContentLength"])

    def fingerprint(self) -> str | None:
        """Size and ETag."""
        found = self._looked_up()
        return None if found is None else f"{found['ContentLength']}/{found.get('ETag', '')}"

    def _looked_up(self) -> dict[str, Any] | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._head()
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            hint = (
                " S3 answers 403 for a missing object to those who may not list the bucket: allow "
                "s3:ListBucket, or use if_exists='replace'."
                if status == 403
                else ""
            )
            raise self._error("be looked up", error, hint) from error
        except BotoCoreError as error:
            raise self._error("be looked up", error) from error

    def _head(self) -> dict[str, Any] | None:
        """What S3 knows of the object there, None when there is none."""
        from botocore.exceptions import ClientError

        client = self.hook.get_conn()
        try:
            found: dict[str, Any] = client.head_object(
                Bucket=self.bucket, Key=self.key, **accepted(client, "HeadObject", self.extra_arguments)
            )
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise
        return found

    def read_whole(self, limit: int) -> bytes | None:
        """Content of the object there."""
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.hook.get_conn()
        known = accepted(client, "GetObject", self.extra_arguments)
        try:
            body = client.get_object(Bucket=self.bucket, Key=self.key, **known)["Body"]
            with contextlib.closing(body):
                content: bytes = body.read(limit + 1)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise self._error("be read", error) from error
        except BotoCoreError as error:
            raise self._error("be read", error) from error
        return self._within(limit, content)

    def remove(self) -> None:
        """Remove the object there; S3 says the same when there is none."""
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.hook.get_conn()
        known = accepted(client, "DeleteObject", self.extra_arguments)
        try:
            client.delete_object(Bucket=self.bucket, Key=self.key, **known)
        except (ClientError, BotoCoreError) as error:
            raise self._error("be removed", error) from error

    def expect_many(self) -> None:
        """Many small objects will share its client; called before threads do, see :class:`SmallObjects`."""
        self._small = SmallObjects(self.hook, self.bucket)

    def share(self, other: Destination) -> None:
        """Use its client: to make one takes longer than to send a small file."""
        if isinstance(other, S3Object):
            self._hook = other.hook
            self._one_part_at_a_time = True
            self._small = other._small if other.bucket == self.bucket else None

    def connect_within(self, seconds: float) -> None:
        """
        Give an attempt to reach the server up after so long, unless the connection says otherwise.

        :param seconds: boto3's own default is 60, five times
        """
        from botocore.config import Config

        config, known = Config(connect_timeout=seconds), self.hook.conn_config.botocore_config
        self._hook = _named_hook()(
            aws_conn_id=self.aws_conn_id, config=config.merge(known) if known else config
        )

    def write(self, source: ByteSource) -> None:
        """Upload, see :meth:`Destination.write`."""
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.hook.get_conn()
        self._remove_left_over(client)
        sizes = self._sizes()
        extra = self._extra_arguments(client, source)
        mark = secrets.token_hex(16)
        if self.if_exists == "fail":
            extra["Metadata"] = {**extra.get("Metadata", {}), MARK: mark}

        def arguments(operation: str) -> dict[str, Any]:
            return {"Bucket": self.bucket, "Key": self.key, **accepted(client, operation, extra)}

        def create(call: Callable[..., Any]) -> None:
            self._create(call, mark)

        whole = source.length is not None and source.length <= sizes["threshold"]
        first = bytearray(
            source.length or 0 if whole else part_size(1, length=source.length, smallest=sizes["part"])
        )
        filled = fill(source, first)
        try:
            if whole or filled < len(first):
                source.read(1)  # lets the source say whether this was truly the end
                body = first if filled == len(first) else first[:filled]
                plain = accepted(client, "PutObject", extra)
                if (
                    self._small is not None
                    and self.if_exists != "fail"
                    and self._small.put(self.key, body, sha256=source.sha256, extra=plain)
                ):
                    return
                create(lambda **new: client.put_object(**arguments("PutObject"), Body=body, **new))
            else:
                upload = MultipartUpload(
                    client,
                    arguments,
                    length=source.length,
                    smallest=sizes["part"],
                    concurrency=sizes["concurrency"],
                    memory=self.uploads,
                )
                upload.run(first, source, create)
        except (ClientError, BotoCoreError) as error:
            raise self._error("be written", error) from error

    def _remove_left_over(self, client: Any) -> None:
        """Remove the parts that a killed process has left behind, where its upload was remembered."""
        left = self.uploads.left() if self.uploads is not None else None
        if self.uploads is None or left is None:
            return
        if not left:
            self._remove_unnoted(client)
            return
        try:
            client.abort_multipart_upload(Bucket=left["bucket"], Key=left["key"], UploadId=left["upload_id"])
            log.info("Removed the parts that a try before this one had left at s3://%(bucket)s/%(key)s", left)
        except Exception as error:  # noqa: BLE001 - a lifecycle rule removes them, too; the result matters more
            if "NoSuchUpload" not in str(error):
                log.warning(
                    "Parts that a try before this one had left could not be removed (%s).",
                    type(error).__name__,
                )
                return
        self.uploads.ended()

    def _remove_unnoted(self, client: Any) -> None:
        """
        Remove what a process has left that was killed between beginning an upload and noting it.

        It sends no part before it is noted, so that is an upload of this very key without any. Who may not
        list uploads leaves it to a lifecycle rule.
        """
        place = {"Bucket": self.bucket, "Key": self.key}
        try:
            found = client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.key).get("Uploads", [])
            for upload in found:
                named = {**place, "UploadId": upload["UploadId"]}
                if upload["Key"] == self.key and not client.list_parts(**named, MaxParts=1).get("Parts"):
                    client.abort_multipart_upload(**named)
                    log.info("Removed an upload that was begun and not noted at %s", self.uri)
        except Exception as error:  # noqa: BLE001 - the result matters more than what may be left
            log.info("Uploads left at %s cannot be looked up (%s).", self.uri, type(error).__name__)

    def _create(self, call: Callable[..., Any], mark: str) -> None:
        """
        Make the call that creates the object; for ``if_exists="fail"`` only where none is.

        The condition is S3's own, so it holds under a race, too. Servers that know nothing of it either
        ignore it or answer 501; then the look before the upload was all there is.

        When an answer is lost, boto3 makes the call again, and that is refused as the object is there (or
        the upload is no more): our own one, which its mark shows.
        """
        from botocore.exceptions import ClientError, HTTPClientError

        if self.if_exists != "fail":
            call()
            return
        try:
            self._create_new(call)
        except (ClientError, HTTPClientError) as error:
            if self._is_there(mark):
                return
            code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
            if code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                raise self.exists_error() from error
            raise

    def _create_new(self, call: Callable[..., Any]) -> None:
        from botocore.exceptions import ClientError, ParamValidationError

        try:
            call(IfNoneMatch="*")
        except ParamValidationError:  # a boto3 from before the condition existed
            call()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ("NotImplemented", "501"):
                raise
            call()

    def _is_there(self, mark: str) -> bool:
        """Whether the object with that mark is there, as far as can be found out."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self._head()
        except (ClientError, BotoCoreError):
            return False
        return found is not None and found.get("Metadata", {}).get(MARK) == mark

    def _sizes(self) -> dict[str, int]:
        """Part size, concurrency and threshold: the connection's ``transfer_config_args``, else our own."""
        given = dict(self.hook.service_config.get("transfer_config_args") or {})
        part = int(given.get("multipart_chunksize") or PART)
        concurrency = 1 if self._one_part_at_a_time else int(given.get("max_concurrency") or CONCURRENCY)
        return {
            "part": part,
            "concurrency": concurrency if given.get("use_threads", True) else 1,
            "threshold": int(given.get("multipart_threshold") or 2 * part),
        }

    def _extra_arguments(self, client: Any, source: ByteSource) -> dict[str, Any]:
        extra = dict(self.extra_arguments)
        if source.content_type:
            extra.setdefault("ContentType", source.content_type)
        if source.content_encoding:
            extra.setdefault("ContentEncoding", source.content_encoding)
        if getattr(client.meta.config, "request_checksum_calculation", None) == "when_supported":
            # boto3 puts a checksum on every part by itself; the upload must have announced which
            extra.setdefault("ChecksumAlgorithm", "CRC32")
        return extra

    def _error(self, doing: str, error: Exception, hint: str = "") -> DownloadError:
        answer = getattr(error, "response", {})
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
        error_fields = answer.get("Error", {})
        reason = (
            f"HTTP {status}, {error_fields.get('Code')}: {error_fields.get('Message')}"
            if status
            else str(error)
        )
        return DownloadError(
            f"{self.uri} cannot {doing} with connection {self.aws_conn_id!r}: {reason.rstrip('. ')}."
            f"{self._absent()}{hint}",
            http_status=status,
            request_id=answer.get("ResponseMetadata", {}).get("RequestId"),
        )


@functools.cache
def _named_hook() -> type[Any]:
    """
    The amazon provider's ``S3Hook``, less what takes time without need.

    S3Hook itself looks for the caller's name, for the user agent, in all frames of the stack and the source
    files behind them. That takes a tenth of a second for each result, more than sending a small one.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    class NamedS3Hook(S3Hook):
        def _get_caller(self, target_function_name: str = "execute") -> str:
            return "AirflowAsyncProvider"

        def get_conn(self) -> Any:
            with collector_paused():
                return super().get_conn()

        def _get_config(self, config: Any = None) -> Any:
            """
            With no second hash of what is sent.

            Over plain HTTP, botocore signs each body by its SHA-256, which the server compares; a CRC32
            beside it takes nearly as long again and notices nothing more. Over TLS it does not hash bodies,
            and the CRC32 stays.
            """
            from botocore.config import Config

            found = super()._get_config(config)
            endpoint = self.conn_config.get_service_endpoint_url(service_name="s3") or ""
            given = found.request_checksum_calculation or os.environ.get("AWS_REQUEST_CHECKSUM_CALCULATION")
            unsigned = (found.s3 or {}).get("payload_signing_enabled") is False
            if given or unsigned or not endpoint.startswith("http://"):
                return found
            return found.merge(Config(request_checksum_calculation="when_required"))

    return NamedS3Hook


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """
    Without Python's garbage collector.

    botocore reads megabytes of JSON for a client, and each of its objects brings the collector closer to a
    pass over all objects of the process. Those passes took more than twice as long as the client itself
    (0.37 and 0.47 instead of 0.1 s), and in the triggerer the event loop stands still meanwhile.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def accepted(client: Any, operation: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the extra arguments that a call takes, by boto3's own description of the call."""
    known = client.meta.service_model.operation_model(operation).input_shape.members
    return {name: value for name, value in extra.items() if name in known}
