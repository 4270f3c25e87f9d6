# SPDX-License-Identifier: Apache-2.0
"""Any other storage that Airflow's ``ObjectStoragePath`` opens: Google, Azure, SFTP, HDFS and so on."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from airflow_async_provider._download.destination.base import Destination
from airflow_async_provider._download.options import IfExists
from airflow_async_provider._download.source.base import ByteSource
from airflow_async_provider._transport.connections import connection_must_exist
from airflow_async_provider.errors import AsyncJobError, ConfigurationError, DownloadError

log = logging.getLogger(__name__)

#: Where fsspec's file systems have what distinguishes one version of an object from another, the best first.
VERSIONS = ("etag", "ETag", "md5Hash", "content_md5", "generation", "mtime", "last_modified", "created")


class StoredObject(Destination):
    """
    One object behind an fsspec file system that Airflow attaches.

    :param url: ``scheme://conn_id@container/key``, as Airflow writes it
    :param options: storage options for the file system, in addition to the connection's
    """

    def __init__(
        self, url: str, *, if_exists: IfExists = "replace", options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(url, if_exists)
        self._options = dict(options or {})
        self._fs: Any = None
        self._path = ""

    def _attach(self) -> Any:
        """The file system; made when first needed, so before the download."""
        if self._fs is None:
            from airflow.sdk import ObjectStoragePath

            try:
                path = ObjectStoragePath(self.uri)
                self._path = path.path
                with connection_must_exist(self.uri.partition("://")[2].partition("@")[0]):
                    self._fs = _file_system(path, self._options)
            except AsyncJobError:
                raise
            except (ImportError, ValueError, TypeError, AttributeError) as error:
                raise ConfigurationError(
                    f"The destination {self.uri} cannot be opened: {error}. Is the provider or fsspec "
                    "package for this kind of storage installed?"
                ) from error
        return self._fs

    def prepare(self) -> None:
        """Attach the file system."""
        self._attach()

    def check(self) -> None:
        """Attach the file system and look; what such a look may fail of has no common name but for one."""
        fs = self._attach()
        try:
            fs.info(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except Exception as error:  # noqa: BLE001 - every storage has its own, and a refused look is no refused write
            kind = type(error).__name__
            if "credential" in kind.lower():  # google.auth, azure.identity and others
                raise ConfigurationError(
                    f"{self.uri} cannot be written: its storage finds no usable credentials ({kind}). Name "
                    "an Airflow connection in the URL, scheme://conn_id@container/key, or give this worker "
                    "credentials of its own."
                ) from None
            log.info("Whether %s can be written to cannot be looked up (%s).", self.uri, kind)

    def link(self) -> str:
        """The object in Google's console; other storages have no address that follows from the URL alone."""
        scheme, _, place = self.uri.partition("://")
        if scheme.lower() not in ("gs", "gcs"):
            return ""
        bucket, _, key = place.partition("/")
        found = f"{quote(bucket.rpartition('@')[2])}/{quote(key)}"
        return f"https://console.cloud.google.com/storage/browser/_details/{found}"

    def size(self) -> int | None:
        """Size of the object there."""
        found = self._looked_up()
        return None if found is None else int(found.get("size") or 0)

    def fingerprint(self) -> str | None:
        """Size, and what the storage has to distinguish one version of an object from another."""
        self._attach().invalidate_cache()
        found = self._looked_up()
        if found is None:
            return None
        return f"{found.get('size')}/{next((found[n] for n in VERSIONS if found.get(n)), '')}"

    def _looked_up(self) -> dict[str, Any] | None:
        fs = self._attach()
        with self._described("be looked up"):
            try:
                found: dict[str, Any] = fs.info(self._path)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found

    def read_whole(self, limit: int) -> bytes | None:
        """Content of the object there."""
        fs = self._attach()
        with self._described("be read"):
            try:
                content: bytes = fs.cat_file(self._path, start=0, end=limit + 1)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return self._within(limit, content)

    def remove(self) -> None:
        """Remove the object there."""
        fs = self._attach()
        with self._described("be removed"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            fs.invalidate_cache()
            fs.rm_file(self._path)

    def write(self, source: ByteSource) -> None:
        """Write the object, see :meth:`Destination.write`."""
        fs = self._attach()
        new = self.size() is None
        with self._described("be written"):
            with contextlib.suppress(NotImplementedError):
                fs.makedirs(fs._parent(self._path), exist_ok=True)
            # Without "autocommit" the object appears at commit, where the storage can do that.
            file = fs.open(self._path, "wb", autocommit=False)
        shows = False
        try:
            shows = new and self.size() is not None
            while data := source.read():
                with self._described("be written"):
                    file.write(data)
            if self.if_exists == "fail" and not shows and self.size() is not None:
                raise self.exists_error()
            with self._described("be written"):
                file.close()
                with contextlib.suppress(NotImplementedError, AttributeError):
                    file.commit()
        except BaseException:
            self._discard(fs, file, remove=shows or (new and self.if_exists != "fail"))
            raise
        finally:
            # fsspec notes such files for its own transactions; this one is done
            with contextlib.suppress(ValueError):
                fs.transaction.files.remove(file)

    def _discard(self, fs: Any, file: Any, *, remove: bool) -> None:
        """
        Leave no partial object.

        :param remove: what is there in spite of the storage's own discard is ours
        """
        with contextlib.suppress(Exception):
            file.discard()
        # else the garbage collector closes it, which writes out what is in its buffer
        with contextlib.suppress(AttributeError):
            file.closed = True
        if remove:
            with contextlib.suppress(Exception):
                fs.invalidate_cache()
                if fs.exists(self._path):
                    fs.rm_file(self._path)

    @contextlib.contextmanager
    def _described(self, doing: str) -> Iterator[None]:
        """Errors of the storage in the block, distinguished from the source's."""
        try:
            yield
        except Exception as error:
            raise DownloadError(f"{self.uri} cannot {doing}: {type(error).__name__}: {error}") from error


def _file_system(path: Any, options: Mapping[str, Any]) -> Any:
    """The file system that Airflow attaches for the path, else fsspec's own where no connection is named."""
    from airflow.sdk.io import get_fs

    conn_id = getattr(path, "conn_id", path.storage_options.get("conn_id"))  # there before Airflow 3.2
    try:
        return get_fs(path.protocol, conn_id, dict(options)) if options else path.fs
    except ValueError:  # no provider registers this scheme
        if conn_id is not None:
            raise
    import fsspec

    return fsspec.filesystem(path.protocol, **options)
