# SPDX-License-Identifier: Apache-2.0
"""Where a result goes: one class per kind of place, all with the same promise of whole or nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, Protocol, get_args
from urllib.parse import unquote, urlsplit

from airflow_async_provider._download.source.base import ByteSource
from airflow_async_provider.errors import ConfigurationError, DestinationExistsError

IfExists = Literal["replace", "skip", "fail"]


class UploadMemory(Protocol):
    """
    Remembers an upload under way beyond the life of this process.

    A process that is killed outright (SIGKILL) can remove nothing. Whoever comes after it can, if it knows of
    what.
    """

    def left(self) -> Mapping[str, str] | None:
        """What an earlier process has begun and not ended, None for nothing."""

    def began(self, upload: Mapping[str, str]) -> None:
        """Remember an upload."""

    def ended(self) -> None:
        """Forget it: nothing of it is left to be removed."""


class Destination(ABC):
    """
    One place that a result can be written to.

    :param if_exists: ``replace`` it, or ``fail`` when something is there (``skip`` is decided before)
    """

    #: names the place in reports and messages; holds no credential
    uri: str
    #: where places that publish in several steps remember the first of them
    uploads: UploadMemory | None = None

    def __init__(self, uri: str, if_exists: IfExists) -> None:
        self.uri = uri
        self.if_exists = if_exists

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    def prepare(self) -> None:
        """
        Load what is needed and look up connections, before the source is asked for its bytes.

        :raises ConfigurationError: the place cannot be used
        """
        return

    @abstractmethod
    def size(self) -> int | None:
        """Number of bytes of what lies there, None when nothing does."""

    @abstractmethod
    def write(self, source: ByteSource) -> None:
        """
        Read the source to its end and publish it whole, or raise and leave nothing new behind.

        An error of the source comes out as it is.

        :raises DestinationExistsError: ``if_exists="fail"`` and something is there, or got there meanwhile
        :raises DownloadError: the place cannot be written to
        """

    def link(self) -> str:
        """Where a person looks at it in a browser, without credentials; empty where there is no address."""
        return ""

    def exists_error(self) -> DestinationExistsError:
        """What to raise for ``if_exists="fail"``."""
        return DestinationExistsError(
            f"{self.uri} exists already and if_exists='fail'. Remove it, choose another destination, or use "
            "if_exists='replace' or 'skip'."
        )


def open_destination(
    destination: str,
    *,
    aws_conn_id: str | None = "aws_default",
    if_exists: IfExists = "replace",
    object_storage_options: Mapping[str, Any] | None = None,
) -> Destination:
    """
    The place that a ``destination`` argument names. Touches neither network nor disk.

    :param destination: absolute path, ``file://`` URL, ``s3://bucket/key``, or any other URL that Airflow's
        ``ObjectStoragePath`` opens (``gs://conn_id@bucket/key``)
    :param aws_conn_id: connection for ``s3://`` URLs that name none
    :param if_exists: ``replace``, ``skip`` or ``fail``
    :param object_storage_options: for ``s3://`` further arguments of the upload as boto3 names them
        (``{"ServerSideEncryption": "aws:kms"}``), else storage options for the file system of the URL
    :raises ConfigurationError: relative path, unknown form
    """
    if if_exists not in get_args(IfExists):
        raise ConfigurationError(f"if_exists must be 'replace', 'skip' or 'fail', not {if_exists!r}.")
    if not destination.strip():
        raise ConfigurationError("destination must be an absolute path or a URL, but it is empty.")
    scheme = destination.split("://", 1)[0].lower() if "://" in destination else ""
    if not scheme or destination.startswith("/"):
        return _local(destination, destination, if_exists)
    if scheme == "file":
        parts = urlsplit(destination)
        if parts.netloc not in ("", "localhost"):
            raise ConfigurationError(
                f"{destination!r} names the host {parts.netloc!r}; a file URL has three slashes: "
                "file:///absolute/path."
            )
        # "?" and "#" would have to be encoded in a URL; written plainly they belong to the name
        return _local(
            unquote(destination.split("://", 1)[1].removeprefix(parts.netloc)), destination, if_exists
        )
    userinfo = destination.split("://", 1)[1].split("/", 1)[0].rpartition("@")[0]
    if ":" in userinfo:
        raise ConfigurationError(
            f"The {scheme} destination holds a password. Put it into an Airflow connection and write "
            f"{scheme}://conn_id@..."
        )
    if scheme in ("s3", "s3a", "s3n"):
        from airflow_async_provider._download.destination.s3 import S3Object

        return S3Object.parse(
            destination, if_exists=if_exists, aws_conn_id=aws_conn_id, options=object_storage_options
        )
    from airflow_async_provider._download.destination.object_storage import StoredObject

    return StoredObject(destination, if_exists=if_exists, options=object_storage_options)


def _local(path: str, given: str, if_exists: IfExists) -> Destination:
    from airflow_async_provider._download.destination.local_file import LocalFile

    if not path.startswith("/"):
        raise ConfigurationError(
            f"{given!r} is a relative path, and a worker's directory is nobody's promise. Give an absolute "
            "path or a URL."
        )
    if path.endswith("/") or "\0" in path:
        raise ConfigurationError(f"{given!r} names a directory; the destination is a file.")
    return LocalFile(path, if_exists=if_exists)
