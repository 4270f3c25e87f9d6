# SPDX-License-Identifier: Apache-2.0
"""Names of several files below one prefix: never outside of it, and no two alike."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from airflow_async_provider._urls import without_query
from airflow_async_provider.errors import DownloadError

#: Longest part of a name, in bytes, that file systems take.
MAX_PART = 255

#: What counts as the suffix of a name that has to be cut (bytes).
MAX_SUFFIX = 16

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_name(name: str) -> str:
    """
    A name that a remote has given, as it is.

    :raises DownloadError: it leads out of the prefix, or no file can have it
    """
    parts = name.split("/")
    if (
        any(part in ("", ".", "..") or len(part.encode("utf-8", "replace")) > MAX_PART for part in parts)
        or "\\" in name
        or _CONTROL.search(name)
    ):
        raise DownloadError(
            f"The remote names one of the files {name[:100]!r}, which is no name below the destination. "
            "Nothing was stored."
        )
    return name


def names_of(files: Iterable[tuple[str | None, str]], *, reserved: Sequence[str] = ()) -> list[str]:
    """
    The names of files, in their order.

    A file that has none is called as the last part of its URL's path; where two such names are alike, all of
    them get their number in front (``00001-``).

    :param files: name and URL of each, the URL empty where there is none
    :param reserved: names that none may have
    :raises DownloadError: a name that cannot be, or two given names are alike
    """
    found = [(name, check_name(name) if name is not None else _last_part(url)) for name, url in files]
    derived = [shown for given, shown in found if given is None]
    given = {shown for name, shown in found if name is not None}
    numbered = len(set(derived)) < len(derived) or "" in derived or given & set(derived)
    names = [
        shown if name is not None or not numbered else _shortened(f"{index:05d}-{shown or 'file'}")
        for index, (name, shown) in enumerate(found, start=1)
    ]
    seen: set[str] = set(reserved)
    for name in names:
        if name in seen:
            raise DownloadError(f"Two of the files would have the name {name!r}. Nothing was stored.")
        seen.add(name)
    folders = {
        "/".join(parts[:n]) for parts in (name.split("/") for name in names) for n in range(1, len(parts))
    }
    for name in filter(folders.__contains__, names):
        raise DownloadError(
            f"One of the files would have the name {name!r} and another one lie below it. Nothing was stored."
        )
    return names


def _shortened(name: str) -> str:
    """A name that a file can have, its end kept, as that shows the type."""
    if len(name.encode()) <= MAX_PART:
        return name
    stem, dot, suffix = name.rpartition(".")
    end = f"{dot}{suffix}" if stem and len(suffix.encode()) <= MAX_SUFFIX else ""
    return name.encode()[: MAX_PART - len(end.encode())].decode("utf-8", "ignore") + end


def _last_part(url: str) -> str:
    name = unquote(posixpath.basename(without_query(url).split("://", 1)[-1].partition("/")[2]))
    try:
        return check_name(name)
    except DownloadError:
        return ""
