# SPDX-License-Identifier: Apache-2.0
"""Reading the addresses of files: where a result goes, and where something that is sent comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from airflow_async_provider.errors import ConfigurationError

S3_SCHEMES: Final = frozenset({"s3", "s3a", "s3n"})


@dataclass(frozen=True, slots=True)
class Location:
    """
    One address, read.

    :param kind: ``file`` of this machine, ``s3``, or ``other``: what Airflow's ``ObjectStoragePath`` opens
    :param uri: names it in messages and reports; holds no credential
    :param path: of a file
    :param bucket: of an S3 object
    :param key: of an S3 object, spelled as it is
    :param conn_id: connection that the address names, None where it names none
    """

    kind: Literal["file", "s3", "other"]
    uri: str
    path: str = ""
    bucket: str = ""
    key: str = ""
    conn_id: str | None = None

    def child(self, name: str) -> Location:
        """
        What lies below this folder.

        :param name: relative name, ``/`` between its parts
        """
        if self.kind == "file":
            return file_location(f"{self.path.rstrip('/')}/{name}")
        if self.kind == "s3":
            key = f"{self.key}{name}"
            return replace(self, key=key, uri=f"s3://{self.bucket}/{key}")
        return replace(self, uri=f"{self.uri.rstrip('/')}/{name}")


def file_location(path: str) -> Location:
    """The location of an absolute path."""
    return Location("file", PurePosixPath(path).as_uri() + ("/" if path.endswith("/") else ""), path=path)


def is_folder(address: str) -> bool:
    """Whether an address names a folder: it ends with a slash."""
    return address.endswith("/")


def read_location(
    address: str, *, role: Literal["source", "destination"] = "destination", folder: bool = False
) -> Location:
    """
    Read an address. Touches neither network nor disk.

    :param address: absolute path, ``file://`` URL, ``s3://bucket/key``, or any other URL that Airflow's
        ``ObjectStoragePath`` opens (``gs://conn_id@bucket/key``)
    :param role: what messages call it
    :param folder: the address is a prefix, below which several files lie; a slash at its end is added
    :raises ConfigurationError: relative path, unknown form, a password in it
    """
    if not address.strip():
        raise ConfigurationError(f"{role} must be an absolute path or a URL, but it is empty.")
    scheme, separator, rest = address.partition("://")
    if not separator or address.startswith("/"):
        return _file(address, address, role=role, folder=folder)
    scheme = scheme.lower()
    if scheme == "file":
        host = urlsplit(address).netloc
        if host not in ("", "localhost"):
            raise ConfigurationError(
                f"{address!r} names the host {host!r}; a file URL has three slashes: file:///absolute/path."
            )
        # "?" and "#" would have to be encoded in a URL; written plainly they belong to the name
        return _file(unquote(rest.removeprefix(host)), address, role=role, folder=folder)
    if ":" in rest.split("/", 1)[0].rpartition("@")[0]:
        raise ConfigurationError(
            f"The {scheme} {role} holds a password. Put it into an Airflow connection and write "
            f"{scheme}://conn_id@..."
        )
    if scheme in S3_SCHEMES:
        return _s3(rest, address, folder=folder)
    return Location("other", f"{address.rstrip('/')}/" if folder else address)


def _file(path: str, given: str, *, role: str, folder: bool) -> Location:
    if not path.startswith("/"):
        raise ConfigurationError(
            f"{given!r} is a relative path, and another worker has another directory. Give an absolute path "
            "or a URL."
        )
    if "\0" in path or (path.endswith("/") and not folder):
        raise ConfigurationError(f"{given!r} names a directory; the {role} is a file.")
    return file_location(f"{path.rstrip('/')}/" if folder else path)


def _s3(rest: str, given: str, *, folder: bool) -> Location:
    netloc, _, key = rest.partition("/")
    conn_id, _, bucket = netloc.rpartition("@")
    if folder:
        if not bucket:
            raise ConfigurationError(f"{given!r} does not name a bucket; write s3://bucket/prefix/.")
        key = key if not key or key.endswith("/") else f"{key}/"
    elif not bucket or not key or key.endswith("/"):
        raise ConfigurationError(f"{given!r} does not name an object; write s3://bucket/key.")
    return Location("s3", f"s3://{bucket}/{key}", bucket=bucket, key=key, conn_id=conn_id or None)
