# SPDX-License-Identifier: Apache-2.0
"""Where the result of a succeeded job is: in an answer, at addresses, in another document, in pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from airflow_async_provider._urls import same_origin
from airflow_async_provider.errors import DescriptionError, DownloadError, UnreadableAnswerError
from airflow_async_provider.protocols._http.assembly import Description
from airflow_async_provider.protocols._http.incomplete import none_failed, whole
from airflow_async_provider.protocols._http.no_result import (
    ANYTHING,
    NoResult,
    fields_seen,
    no_result,
    state_of,
)
from airflow_async_provider.protocols._http.paging import following, next_url, numbered
from airflow_async_provider.protocols._http.places import (
    MISSING,
    Answer,
    Place,
    Places,
    as_text,
    says_something,
)
from airflow_async_provider.protocols._http.requests import filled, headers_of, made
from airflow_async_provider.protocols._http.templates import Lookup, fill_text
from airflow_async_provider.protocols._http.urls import (
    absolute,
    is_signed,
    query_value,
    with_query,
)
from airflow_async_provider.protocols._http.values import body_value, seconds_of
from airflow_async_provider.protocols._http.words import Meaning
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import Result
from airflow_async_provider.protocols._redaction import excerpt
from airflow_async_provider.protocols._responses import NotReadyError, retry_after

_UNLESS: Final = (
    "Nothing was stored. Say how to get them with result.pages; if the answer holds all, say "
    "result.whole: true."
)


@dataclass(frozen=True, slots=True)
class Found:
    """
    What an answer says of the result.

    :param request: asks for the document that says where it is
    :param no_data: the remote says that there is nothing
    """

    result: Result | None = None
    request: HttpRequest | None = None
    no_data: bool = False


class ResultReader:
    """
    Finds the result by one description.

    :param description: the whole of it
    """

    def __init__(self, description: Description) -> None:
        self.description = description
        self.spec = description.result
        accept = next((v for n, v in self.spec.headers.items() if n.lower() == "accept"), "")
        #: Who asks for a page gets one.
        self._media_types = self.spec.media_type or ((ANYTHING,) if "html" in accept else ())

    def in_answer(
        self, answer: Answer, lookup: Lookup, *, job: str, is_status: bool = False, again: bool = True
    ) -> Found:
        """
        The result that the last answer of a job leads to.

        :param is_status: the answer is a status document
        :param again: whether another request to the same address gets the same answer
        :raises DescriptionError: it is not where the description says
        :raises UnreadableAnswerError: the answer is too large
        """
        spec, response = self.spec, answer.response
        if spec.source is not None:
            request = made(self.description, spec.source, lookup, job=job, where="result.from")
            return Found(request=request)
        if response.status == 204:
            return Found(no_data=True)
        if spec.named:
            self._whole(answer, job)
            return self._named(answer, lookup, job=job)
        refetch = spec.again or spec.pages is not None or not response.complete
        if refetch and again and not spec.once and response.url and response.status != 204:
            return Found(
                self._paged(self._at(response.url, answer, lookup, job=job), answer, lookup, job=job)
            )
        self._whole(answer, job)
        return self._body(answer, is_status=is_status)

    def in_document(self, answer: Answer, lookup: Lookup, *, job: str) -> Result:
        """
        The result that the document of ``result.from`` leads to, with ``more`` where a further one
        continues it.

        :raises DescriptionError: it is not where the description says
        """
        self._ready(answer, job)
        self._whole(answer, job)
        if not self._places:
            self._no_part(answer, [Place.parse("$", "result.from")], job)
        found = self._named(answer, lookup, job=job) if self._places else self._body(answer, is_status=False)
        result = replace(found.result or Result(body=b""), second=True)
        pages = self.spec.pages
        if pages is None or pages.next is None or not result.files:
            return result
        url = next_url(pages, answer, job=job)
        return (
            result if url is None else replace(result, more=HttpRequest("GET", url, headers=result.headers))
        )

    def _ready(self, answer: Answer, job: str) -> None:
        """
        Whether a document of its own says anything of the result.

        :raises NotReadyError: not yet
        :raises DownloadError: it says that there will be none
        """
        response = answer.response
        found = NoResult(Meaning.RUNNING, "202") if response.status == 202 else None
        if found is None and ANYTHING not in self.spec.media_type:
            found = no_result(response, states=True) if response.complete else None
            if found is None and self._places and isinstance(answer.document, dict):
                found = state_of(answer)  # a document of the API, whose data stands at a place in it
            if found is not None and found.meaning is Meaning.RUNNING and self._something(answer):
                found = None
        if found is None:
            return
        if found.meaning is Meaning.RUNNING:
            raise NotReadyError(
                f"HTTP {response.status} for {job}: it has succeeded, but its result is not ready: "
                f"{found.text!r}.",
                job=job,
                http_status=response.status,
                retry_after=retry_after(response.headers, response.received_at),
            )
        raise DownloadError(
            f"HTTP {response.status} for {job}: it has succeeded, but the document of its result reports a "
            f"failure: {found.text!r}. If that is the result, say result.media_type: {ANYTHING!r}.",
            job=job,
            http_status=response.status,
            remote_status=found.text[:80],
        )

    def _something(self, answer: Answer) -> bool:
        """Whether anything is at the places of the result."""
        spec = self.spec
        places = [*(spec.value.places if spec.value else ()), *(spec.url or ())]
        places += [
            Place(n, n, None) for t in spec.path or () for n in t.names if n not in ("job_id", "status_url")
        ]
        return any(says_something(found) for p in places if (found := p.read(answer)) is not MISSING)

    @property
    def _places(self) -> bool:
        return bool(self.spec.value or self.spec.url or self.spec.path)

    def _whole(self, answer: Answer, job: str) -> None:
        response = answer.response
        if not response.complete:
            raise UnreadableAnswerError(
                f"HTTP {response.status} for {job}: the answer is larger than {len(response.body)} bytes, "
                "and it cannot be fetched from an address of its own.",
                job=job,
                http_status=response.status,
            )

    def _body(self, answer: Answer, *, is_status: bool) -> Found:
        response = answer.response
        if response.status == 204:
            return Found(no_data=True)
        if answer.is_part:  # the rest of the body is about other jobs
            return Found(Result(value=answer.document, is_status=is_status))
        value = body_value(response)
        kind = response.headers.get("Content-Type") or None
        return Found(
            Result(
                value=value,
                body=response.body,
                media_type=kind,
                is_status=is_status,
                media_types=self._media_types,
            )
        )

    def _named(self, answer: Answer, lookup: Lookup, *, job: str) -> Found:
        spec = self.spec
        if spec.value is not None:
            value = spec.value.read(answer)
            if value is MISSING:
                if spec.optional:
                    return Found()
                raise self._nowhere(answer, str(spec.value), job)
            if [(p.source, p.pattern) for p in spec.value.places] == [("$", None)]:
                return self._body(answer, is_status=False)
            if isinstance(value, list | dict):
                self._no_part(answer, spec.value.places, job)
            return Found() if value is None else Found(Result(value=value))
        return self._addresses(answer, lookup, job=job)

    def _no_part(self, answer: Answer, places: Iterable[Place], job: str) -> None:
        """
        Refuse a part of the result, or what its own list says is no good.

        :raises DescriptionError: the answer says that there is more, or that one of the files has failed
        """
        pages = self.spec.pages is not None
        for place in places:
            if not self.spec.whole and not pages:
                whole(answer, place, job=job, what="parts of the result", unless=_UNLESS)
            if self.description.outcome.partial == "failed":
                none_failed(answer, place, job=job)

    def _addresses(self, answer: Answer, lookup: Lookup, *, job: str) -> Found:
        seconds = seconds_of(self.spec.expires.read(answer)) if self.spec.expires else None
        if seconds is not None and seconds < 0:  # there may be a URL, but it is of no use
            return Found(Result(expires_at=answer.response.received_at + seconds))
        urls, many = (
            self._from_paths(answer, lookup, job) if self.spec.path else self._from_places(answer, job)
        )
        if not urls:
            return Found(no_data=True)
        results = [self._at(u, answer, lookup, job=job, expires_in=seconds) for u in urls]
        if not many:
            return Found(self._paged(results[0], answer, lookup, job=job))
        names = self._names(answer, len(results))
        files = tuple(replace(r, name=n) for r, n in zip(results, names, strict=True))
        return Found(Result(files=files))

    def _from_places(self, answer: Answer, job: str) -> tuple[list[str], bool]:
        places = self.spec.url or ()
        many = len(places) > 1 or any(p.many for p in places)
        found: list[Any] = []
        there = False
        for place in places:
            if (count := place.picks_one_of(answer)) > 1:
                raise DescriptionError(
                    f"HTTP {answer.response.status} for {job}: {place.text!r} names one of {count} files. "
                    "Take all of them with [*] in place of the index.",
                    job=job,
                    http_status=answer.response.status,
                )
            value = place.read(answer)
            there = there or value is not MISSING
            many = many or isinstance(value, list)
            if place.many or isinstance(value, list):
                self._no_part(answer, [place], job)
            found += self._all_of(place, value, answer, job) if isinstance(value, list) else [value]
        if not there and not self.spec.optional:
            raise self._nowhere(answer, " or ".join(p.text for p in places), job)
        urls = [u for u in found if u is not MISSING and u is not None and u != ""]
        if not all(isinstance(u, str) for u in urls):
            raise self._nowhere(answer, " or ".join(p.text for p in places), job)
        return urls, many

    def _all_of(self, place: Place, values: list[Any], answer: Answer, job: str) -> list[Any]:
        """
        The values of many elements.

        :raises DescriptionError: an element has none, unless there may be no result
        """
        count = max(place.elements(answer), len(values)) if place.many else len(values)
        there = [v for v in values if v is not MISSING and v is not None and v != ""]
        if len(there) < count and not self.spec.optional:
            raise DescriptionError(
                f"HTTP {answer.response.status} for {job}: {len(there)} of {count} elements have something "
                f"at {place.text!r}, so files would be missing. Nothing was stored. If such elements have no "
                "file, say result.optional: true, which leaves them out.",
                job=job,
                http_status=answer.response.status,
            )
        return there

    def _from_paths(self, answer: Answer, lookup: Lookup, job: str) -> tuple[list[str], bool]:
        templates = self.spec.path or ()
        many = len(templates) > 1 or any("[*]" in n for t in templates for n in t.names)
        urls: list[str] = []
        for template in templates:
            if any(lookup(name) == "" for name in template.names):
                continue  # the remote says that there is no such file, as with null
            if len(templates) > 1 and any(lookup(name) is MISSING for name in template.names):
                continue
            for name in template.names:
                if "[*]" in name and isinstance(values := lookup(name), list):
                    place = Place.parse(name, "result.path")
                    self._no_part(answer, [place], job)
                    self._all_of(place, values, answer, job)
            urls += filled(template.fill_all, lookup, job=job, where="result.path")
        missing = [n for t in templates for n in t.names if lookup(n) is MISSING]
        if not urls and missing and len(missing) == sum(len(t.names) for t in templates):
            raise self._nowhere(answer, " or ".join(missing), job)
        return urls, many

    def _names(self, answer: Answer, count: int) -> list[str | None]:
        found: list[Any] = []
        for place in self.spec.name or ():
            value = place.read(answer)
            values = value if isinstance(value, list) else [value]
            found += [v for v in values if v is not MISSING and v is not None and v != ""]
        if len(found) != count:
            return [None] * count
        return [file_name(as_text(v)) for v in found]

    def _at(
        self,
        reference: str,
        answer: Answer,
        lookup: Lookup,
        *,
        job: str,
        expires_in: float | None = None,
        query: bool = True,
    ) -> Result:
        """A result at a URL; credentials only on the origin that answered, and only to unsigned URLs."""
        response, spec = answer.response, self.spec
        url = (
            below_base(reference, response, job=job)
            if spec.path
            else absolute(reference, response, job=job, what="URL of the result")
        )
        given = {**self.description.query, **spec.query} if query and (spec.path or spec.query) else {}

        def rest(values: Lookup) -> tuple[dict[str, str], dict[str, str]]:
            own = {k: fill_text(v, values) for k, v in spec.headers.items()}
            return {k: fill_text(v, values) for k, v in given.items()}, own

        values, headers = filled(rest, lookup, job=job, where="result")
        values = {k: v for k, v in values.items() if query_value(url, k) is None}
        if values:
            url = with_query(url, values)
        authorized = self.authorized(answer, url, response)
        if authorized:  # headers of the API itself are for the API only
            headers = {**headers_of(self.description, None, lookup), **headers}
        packed = spec.unpack.read(answer) if isinstance(spec.unpack, Places) else spec.unpack
        return Result(
            url=url,
            unpack=packed.lower() if isinstance(packed, str) and packed.lower() in ("gzip", "zip") else None,
            checksum=_checksum(spec.checksum.read(answer)) if spec.checksum else None,
            expires_at=None if expires_in is None else response.received_at + expires_in,
            authorized=authorized,
            headers=headers,
            media_types=self._media_types,
            second=bool(spec.url or spec.path or spec.source),
            alone=bool(spec.url or spec.path) and spec.pages is None and not spec.whole,
        )

    def authorized(self, answer: Answer, url: str, response: HttpResponse) -> bool:
        """Whether an address wants the connection's credentials."""
        wanted = self.spec.credentials
        if isinstance(wanted, Places):
            found = wanted.read(answer)
            wanted = None if found is MISSING or found is None else as_text(found) == "true"
        if wanted is not None:
            return wanted
        relative = "://" not in url.split("?", 1)[0]
        return (relative or same_origin(url, response.url)) and not is_signed(url)

    # -- pages

    def _paged(self, first: Result, answer: Answer, lookup: Lookup, *, job: str) -> Result:
        pages = self.spec.pages
        if pages is None or first.url is None:
            return first
        first = replace(first, paged=True, items=pages.items, repeats_header=pages.csv_header)
        if not (pages.into and pages.count):
            return first
        urls = numbered(pages, str(first.url), answer)
        if urls is None:
            raise self._nowhere(answer, str(pages.count), job)
        return replace(first, pages=tuple(replace(first, url=url) for url in urls[1:]))

    def next_page(self, response: HttpResponse, *, job: str) -> Result | None:
        """The page after the one of this answer, None when it was the last."""
        pages = self.spec.pages
        if pages is None or (pages.into and pages.count):
            return None
        answer = Answer(response)
        url = following(pages, answer, job=job)
        if url is None:
            return None

        def nothing(name: str) -> Any:
            return self.description.parameters.get(name, MISSING)

        page = self._at(url, answer, nothing, job=job, query=False)
        return replace(page, paged=True, items=pages.items, repeats_header=pages.csv_header)

    def _nowhere(self, answer: Answer, where: str, job: str) -> DescriptionError:
        return DescriptionError(
            f"HTTP {answer.response.status} for {job}: it has ended, but there is no result at {where!r}. "
            f"{fields_seen(answer)}"
            f"The answer began: {excerpt(answer.response.body)!r}",
            job=job,
            http_status=answer.response.status,
        )


def below_base(path: str, response: HttpResponse, *, job: str) -> str:
    """
    A path of a description, which lies below the connection's base URL; an address that was filled in is
    one.
    """
    if "://" in path.split("?", 1)[0]:
        return absolute(path, response, job=job, what="URL of the result")
    return path


def file_name(text: str) -> str | None:
    """
    A file's name out of a name or address that the remote gave: its last segment, without what is no
    name.
    """
    last = (
        unquote(urlsplit(text).path if "://" in text else text)
        .replace("\\", "/")
        .rstrip("/")
        .rpartition("/")[2]
    )
    last = "".join(c if c.isprintable() else "_" for c in last).strip()[:200]
    return None if last in ("", ".", "..") else last


def _checksum(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable() else None
