# SPDX-License-Identifier: Apache-2.0
"""
Whether an answer says that it is a part of what there is: a token, a link or a flag of a further page.

The first page of the states is not the state, the first page of the files is not the result, and neither is
a list of files of which one has failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.denials import failed_part
from airflow_async_provider.protocols._http.places import Answer, Place
from airflow_async_provider.protocols._http.values import one_line
from airflow_async_provider.protocols._http.words import plain
from airflow_async_provider.protocols._http_messages import HttpResponse

#: Fields that hold something only where another page follows.
_NEXT: Final = frozenset((
    "nextpagetoken", "nexttoken", "nextcursor", "nextlink", "nextpageurl", "nextpageuri", "nextpagelink",
    "nextrecordsurl", "nextmarker", "nextcontinuationtoken", "nextpage", "nexturl", "nexturi", "nexthref",
    "@odatanextlink", "odatanextlink", "aftercursor", "nextpagecursor", "nextchunkinternallink",
))  # fmt: skip
_FLAGS: Final = frozenset((
    "hasmore", "hasmorepages", "hasmoreitems", "hasmoreresults", "hasmorerecords", "hasnextpage", "hasnext",
    "moreavailable", "moreresults", "istruncated", "truncated",
))  # fmt: skip
#: Objects that hold one of these.
_AROUND: Final = frozenset((
    "links", "_links", "paging", "pagination", "pageinfo", "page", "meta", "responsemetadata", "cursor",
    "cursors",
))  # fmt: skip
_NONE: Final = frozenset(("", "null", "none", "false", "0"))
_LINK: Final = re.compile(r"<[^<>]*>\s*(?:;[^,<>]*)?;\s*rel\s*=\s*\"?next\b", re.IGNORECASE)
_MOST = 200


def whole(answer: Answer, place: Place, *, job: str, what: str, unless: str) -> None:
    """
    Refuse an answer that holds a part of what stands at a place.

    :param what: what there is more of, for the message
    :param unless: the key that takes the part for all of it
    :raises DescriptionError: it says that there is more
    """
    if (more := _follows(answer, place)) is None:
        return
    raise DescriptionError(
        f"HTTP {answer.response.status} for {job}: {more} says that further {what} follow on another page, "
        f"and a part of them says nothing of the rest. {unless}",
        job=job,
        http_status=answer.response.status,
    )


def none_failed(answer: Answer, place: Place, *, job: str) -> None:
    """
    Refuse a list of files of which one says that it has failed, whatever lies at its address.

    :raises DescriptionError: one says so
    """
    head, _, name = place.source.rpartition("[*]")
    if not name:
        return
    elements = Place.parse(f"{head}[*]", "result").read(answer)
    files = [f for f in elements if isinstance(f, dict)] if isinstance(elements, list) else []
    failed = [text for f in files if (text := failed_part(f, states=True))]
    if failed:
        raise DescriptionError(
            f"HTTP {answer.response.status} for {job}: {len(failed)} of {len(files)} files say "
            f"{failed[0]!r}. Nothing was stored. To take them all the same, set outcome.partial: succeeded.",
            job=job,
            http_status=answer.response.status,
        )


def _follows(answer: Answer, place: Place) -> str | None:
    """The field that announces a further page of what stands at a place, None where there is none."""
    if place.source.startswith(("header:", "http:")):
        return None
    if _LINK.search(answer.response.headers.get("Link", "")[:4000]):
        return "the header Link"
    return next((name for d in _objects(answer, place) if (name := _announced(d))), None)


def announced(response: HttpResponse) -> str | None:
    """What in a whole answer, or in its headers, says that it is one page of several."""
    return _follows(Answer(response), Place.parse("$", "result"))


def _objects(answer: Answer, place: Place) -> Iterable[dict[str, Any]]:
    """The document, and the objects on the way from it to the place."""
    here = answer.document
    head = place.source.split("[*]")[0]
    try:
        steps = json_path.parse(head) if head.strip("$") else ()
    except ValueError:  # a JSON Pointer and the like
        steps = ()
    for step in (*steps, None):
        if isinstance(here, dict):
            yield here
        here = here.get(step) if isinstance(here, dict) and isinstance(step, str) else None


def _announced(document: dict[str, Any], around: str = "") -> str | None:
    for name, value in list(document.items())[:_MOST]:
        bare = plain(str(name))
        shown = f"{around}{one_line(str(name), 60)!s}"
        if bare in _NEXT and _leads_on(value):
            return repr(shown)
        if value is True and (bare in _FLAGS or bare.endswith("truncated")):
            return repr(shown)
        if bare == "next" and (_is_link(value) or (around and _leads_on(value))):
            return repr(shown)
        if around:
            continue
        if plain(bare) in _AROUND and isinstance(value, dict) and (found := _announced(value, f"{name}.")):
            return found
        if bare == "links" and isinstance(value, list) and any(_is_next(link) for link in value[:_MOST]):
            return repr(shown)
    return None


def _leads_on(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_leads_on(inner) for inner in value.values())
    if isinstance(value, str):
        return value.strip().lower() not in _NONE
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_link(value: Any) -> bool:
    """Whether a field that is only called "next" holds an address."""
    if isinstance(value, dict):
        value = value.get("href") or value.get("url")
    return isinstance(value, str) and value.startswith(("http://", "https://", "/", "?"))


def _is_next(link: Any) -> bool:
    return isinstance(link, dict) and "next" in (link.get("rel"), link.get("relation"))
