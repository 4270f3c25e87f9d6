# SPDX-License-Identifier: Apache-2.0
"""The way in: a local file, an S3 object or any object storage, opened to be sent piece by piece."""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_async_provider._download.locations import Location, read_location
from airflow_async_provider.errors import ConfigurationError, SubmitError

#: bytes read at a time
BLOCK = 256 * 1024


class Outgoing(ABC):
    """
    Something to be sent; may be opened several times.

    :param uri: names it in messages; holds no credential
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri

    @property
    def filename(self) -> str:
        """Its last name."""
        return posixpath.basename(self.uri) or "file"

    @abstractmethod
    def size(self) -> int:
        """
        Bytes of it.

        :raises ConfigurationError: it is not there or cannot be read
        """

    @abstractmethod
    def _blocks(self) -> Iterator[bytes]:
        """Open it and read."""

    def chunks(self) -> Iterator[bytes]:
        """
        Its bytes, in order.

        :raises SubmitError: reading broke off
        """
        try:
            yield from self._blocks()
        except SubmitError:
            raise
        except Exception as e:
            raise SubmitError(
                f"{self.uri} could not be read to the end ({type(e).__name__}: {e}); it was broken off."
            ) from e


def open_outgoing(source: str, *, aws_conn_id: str | None = "aws_default") -> Outgoing:
    """
    What a ``source`` argument names. Touches neither network nor disk.

    :param source: absolute path, ``file://`` URL, ``s3://bucket/key``, or any other URL that Airflow's
        ``ObjectStoragePath`` opens (``gs://conn_id@bucket/key``)
    :param aws_conn_id: connection for ``s3://`` URLs that name none
    :raises ConfigurationError: relative path, unknown form
    """
    location = read_location(source, role="source")
    if location.kind == "file":
        return _LocalFile(location.path)
    return _S3Object(location, aws_conn_id) if location.kind == "s3" else _StoredObject(location.uri)


class _LocalFile(Outgoing):
    def size(self) -> int:
        path = Path(self.uri)
        try:
            if not path.is_file():
                raise ConfigurationError(f"{self.uri} is not there, or is no file. Nothing was sent.")
            return path.stat().st_size
        except OSError as e:
            raise ConfigurationError(f"{self.uri} cannot be read: {e.strerror}. Nothing was sent.") from e

    def _blocks(self) -> Iterator[bytes]:
        with Path(self.uri).open("rb") as file:
            while data := file.read(BLOCK):
                yield data


class _S3Object(Outgoing):
    def __init__(self, location: Location, aws_conn_id: str | None) -> None:
        from airflow_async_provider._download.destination.s3 import S3Object

        self._place = S3Object(location.bucket, location.key, aws_conn_id=location.conn_id or aws_conn_id)
        super().__init__(self._place.uri)

    def size(self) -> int:
        size = self._place.size()
        if size is None:
            raise ConfigurationError(f"{self.uri} is not there. Nothing was sent.")
        return size

    def _blocks(self) -> Iterator[bytes]:
        found = self._place.hook.get_conn().get_object(Bucket=self._place.bucket, Key=self._place.key)
        try:
            yield from found["Body"].iter_chunks(BLOCK)
        finally:
            found["Body"].close()


class _StoredObject(Outgoing):
    def _path(self) -> Any:
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(self.uri)

    def size(self) -> int:
        try:
            path = self._path()
            if not path.is_file():
                raise ConfigurationError(f"{self.uri} is not there, or is no file. Nothing was sent.")
            return int(path.stat().st_size)
        except ConfigurationError:
            raise
        except Exception as e:  # whatever the storage's own library raises
            raise ConfigurationError(
                f"{self.uri} cannot be opened: {type(e).__name__}: {e}. Is the provider or fsspec package "
                "for this kind of storage installed, and the connection right? Nothing was sent."
            ) from e

    def _blocks(self) -> Iterator[bytes]:
        with self._path().open("rb") as file:
            while data := file.read(BLOCK):
                yield data
