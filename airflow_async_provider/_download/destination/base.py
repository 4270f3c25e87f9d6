# SPDX-License-Identifier: Apache-2.0
"""Where a result goes: one class per kind of place, all with the same promise of whole or nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

from airflow_async_provider._download.options import IfExists
from airflow_async_provider._download.source.base import ByteSource
from airflow_async_provider.errors import DestinationExistsError, DownloadError


class UploadMemory(Protocol):
    """
    Remembers an upload under way beyond the life of this process.

    A process that is killed outright (SIGKILL) can remove nothing. Whoever comes after it can, if it knows of
    what.
    """

    def left(self) -> Mapping[str, str] | None:
        """
        What an earlier process has begun and not ended, None for nothing.

        An empty one: the process was killed, and may have begun an upload that it could not remember.
        """

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

    def check(self) -> None:
        """
        Whether a result can be written there, as far as that shows without writing.

        Asked before hours of remote work are started for it, so only what is sure to fail is refused: a
        right to write may well come without one to look.

        :raises ConfigurationError: it cannot: a connection, a bucket or credentials are missing
        :raises DownloadError: it cannot just now: the place is out of reach
        """
        self.prepare()

    def expect_many(self) -> None:
        """Many others will :meth:`share` it; called after :meth:`prepare`."""
        return

    @abstractmethod
    def size(self) -> int | None:
        """Number of bytes of what lies there, None when nothing does."""

    @abstractmethod
    def fingerprint(self) -> str | None:
        """
        What distinguishes the bytes that lie there from others, without reading them; None when nothing does.

        :raises DownloadError: it cannot be looked up
        """

    @abstractmethod
    def write(self, source: ByteSource) -> None:
        """
        Read the source to its end and publish it whole, or raise and leave nothing new behind.

        An error of the source comes out as it is.

        :raises DestinationExistsError: ``if_exists="fail"`` and something is there, or got there meanwhile
        :raises DownloadError: the place cannot be written to
        """

    @abstractmethod
    def read_whole(self, limit: int) -> bytes | None:
        """
        What lies there, None when nothing does; for small files of our own.

        :param limit: largest size (bytes)
        :raises DownloadError: it is larger, or cannot be read
        """

    @abstractmethod
    def remove(self) -> None:
        """
        Remove what lies there, if anything does.

        :raises DownloadError: it cannot be removed
        """

    def share(self, other: Destination) -> None:
        """Use the connections of another destination in the same place, one of several files under way."""
        return

    def _within(self, limit: int, content: bytes) -> bytes:
        """The content of a file of our own, which has not become too large to read."""
        if len(content) > limit:
            raise DownloadError(f"{self.uri} has more than {limit} bytes; it is not what this package wrote.")
        return content

    def link(self) -> str:
        """Where a person looks at it in a browser, without credentials; empty where there is no address."""
        return ""

    def exists_error(self) -> DestinationExistsError:
        """What to raise for ``if_exists="fail"``."""
        return DestinationExistsError(
            f"{self.uri} exists already and if_exists='fail'. Remove it, choose another destination, or use "
            "if_exists='replace' or 'skip'."
        )
