# SPDX-License-Identifier: Apache-2.0
"""
Small documents that come in place of a result: whole answers of an error, and of how a job is.

A document is one of these only if *all* of its fields are: beside data, an ``error`` or a ``status`` is a
column like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from airflow_async_provider.protocols._http.denials import denial, failed_envelope
from airflow_async_provider.protocols._http.denying_names import Kind
from airflow_async_provider.protocols._http.places import Answer, says_something
from airflow_async_provider.protocols._http.sniffing import sniffed
from airflow_async_provider.protocols._http.values import body_text, error_text, media_type, one_line
from airflow_async_provider.protocols._http.words import Meaning, known_meaning, plain
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._redaction import excerpt

#: A larger document is data (bytes).
LARGEST: Final = 16 * 1024

#: Media type of a description that takes whatever comes.
ANYTHING: Final = "*/*"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ERROR: Final = _set(
    "error errors errordescription errorcode errormessage errordetail errordetails errorid errortype "
    "errorinfo errorsummary errorcauses erroruri errorlink exception exceptions fault faults faultcode "
    "faultstring message messages msg detail details description reason hint help code subcode status "
    "statuscode statustext statusmessage httpstatus title type instance path method timestamp time date "
    "requestid traceid correlationid activityid documentationurl moreinfo infourl success ok data result "
    "responsestatus responsemessage responsecode"
)
_STATUS: Final = _ERROR | _set(
    "state phase substatus id uuid self url uri href link links location progress percent "
    "percentage percentcomplete percentdone completed done finished eta queueposition position priority "
    "retryafter created updated modified submitted started queued attempt attempts duration elapsed"
)
#: Last words of a name that describe a job, not its data.
_ABOUT: Final = _set("at time date timestamp id status state url uri href link by progress percent message")
#: Objects around all of it.
_AROUND: Final = _set("properties job task run operation data response links")

_XML: Final = r"(?:<\?[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*)?"
_XML_ERROR: Final = re.compile(
    rf"\s*{_XML}<(?:[\w.-]{{1,40}}:)?(?:Error|ErrorResponse|Fault|ExceptionReport|ServiceExceptionReport)"
    rf"[\s>/]|\s*{_XML}<(?:[\w.-]{{1,40}}:)?Envelope\b[^>]{{0,2000}}>\s*"
    r"(?:<(?:[\w.-]{1,40}:)?Header\b.{0,4000}?Header>\s*|<(?:[\w.-]{1,40}:)?Header\s*/>\s*)?"
    r"<(?:[\w.-]{1,40}:)?Body\b[^>]{0,500}>\s*<(?:[\w.-]{1,40}:)?Fault[\s>/]",
    re.DOTALL,
)
_XML_TEXT: Final = re.compile(
    r"<(?:[\w.-]{1,40}:)?(?:Message|faultstring|ExceptionText|ServiceException|Text|Code)\b[^>]{0,200}>"
    r"([^<]{1,2000})<",
    re.IGNORECASE,
)
_XML_FLAT: Final = re.compile(rf"\s*{_XML}<([\w:.-]{{1,60}})(?:\s[^<>]*)?>(.*)</\1>\s*", re.DOTALL)
_XML_SEEN: Final = re.compile(r"<([\w:.-]{1,60})(?:\s[^<>]*)?>\s*([^<>\s][^<>]{0,200})")
_XML_FIELD: Final = re.compile(r"\s*<([\w:.-]{1,60})(?:\s[^<>]*)?>([^<>]{0,1000})</\1>\s*")


@dataclass(frozen=True, slots=True)
class NoResult:
    """
    What a document is that is no result.

    :param meaning: RUNNING: it may become one; FAILED: it will not
    :param text: what it says, for people
    """

    meaning: Meaning
    text: str


def no_result(response: HttpResponse, *, states: bool) -> NoResult | None:
    """
    What an answer is in place of a result, None where it may be one.

    :param states: a document that only says how a job is counts, too
    """
    start = response.body[:200].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if len(response.body) > LARGEST or start not in (b"{", b"[", b"<"):
        return None
    answer = Answer(response)
    document: Any = answer.document
    if start == b"<":
        text = body_text(response).lstrip("\ufeff")
        if _XML_ERROR.match(text):
            message = " ".join(_XML_TEXT.findall(text)[:3])
            return NoResult(Meaning.FAILED, one_line(message or text, 300))
        document = _flat(text)
    if isinstance(document, list) and len(document) == 1 and _is_fault_of_a_list(document[0]):
        document = document[0]
    if not isinstance(document, dict) or not document:
        return None
    if _only(document, _ERROR, frozenset()) and _says_error(document, response):
        return NoResult(Meaning.FAILED, _message(document, response))
    if states and _only(document, _STATUS, _ABOUT):
        return state_of(answer.narrowed(document))
    return None


def state_of(answer: Answer) -> NoResult | None:
    """The state of a document that says how something is, None unless it runs or has not ended well."""
    words = sniffed(answer) if isinstance(answer.document, dict) else []
    meaning = known_meaning(words[0]) if words else None
    if words and plain(words[0]) == "false":
        meaning = Meaning.RUNNING
    if meaning is Meaning.RUNNING:
        return NoResult(meaning, one_line(words[0], 80))
    if meaning in (Meaning.FAILED, Meaning.CANCELLED, Meaning.EXPIRED, Meaning.NOT_RUN):
        text = error_text(answer.document)
        message = f"{words[0]}: {text}" if text and plain(text) != plain(words[0]) else words[0]
        return NoResult(Meaning.FAILED, one_line(message, 300))
    return None


def _says_error(document: dict[str, Any], response: HttpResponse) -> bool:
    if media_type(response).startswith("application/problem+"):
        return True
    if any(d.kind in (Kind.ERROR, Kind.BOOLEAN) for d in denial(document, counts=False)):
        return True
    if failed_envelope(document) or any(_names_an_error(n) and v for n, v in document.items()):
        return True
    fields = {plain(str(name)): value for name, value in document.items()}
    if fields.get("status") in ("error", "fail", "ERROR", "FAIL") and fields.get("message"):
        return True
    codes = [document.get(name) for name in ("status", "code", "statusCode", "status_code")]
    refused = any(re.fullmatch("[45][0-9][0-9]", str(c)) for c in codes if isinstance(c, int | str))
    return refused and any(isinstance(document.get(n), str) for n in ("message", "title", "detail", "msg"))


def _is_fault_of_a_list(document: Any) -> bool:
    """Whether the only element of a list tells of an error, and is no row with one."""
    if not isinstance(document, dict):
        return False
    if "message" in document and "errorCode" in document:
        return True
    return bool(document) and all(_names_an_error(name) for name in document)


def _names_an_error(name: Any) -> bool:
    """Whether a name is that of a product's own error: ``looker_error``."""
    words = _words(str(name))
    return len(words) == 2 and words[1] == "error"


def _message(document: dict[str, Any], response: HttpResponse) -> str:
    text = error_text(document)
    return one_line(text, 300) if text else excerpt(response.body)


def _only(document: dict[str, Any], names: frozenset[str], about: frozenset[str]) -> bool:
    """Whether all fields that say anything have such names."""
    for name, value in islice(document.items(), 100):
        bare = plain(str(name))
        if not says_something(value):
            continue
        if bare in _AROUND and isinstance(value, dict) and about:
            if not _only(value, names, about):
                return False
        elif bare in ("data", "result") or not (
            bare in names or about & set(_words(str(name))[-1:]) or _names_an_error(name)
        ):
            return False
    return len(document) <= 100


def _words(name: str) -> list[str]:
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name[:100])]


def _flat(text: str) -> dict[str, str] | None:
    """The fields of an XML document that has nothing but simple ones."""
    whole = _XML_FLAT.fullmatch(text)
    if whole is None:
        return None
    found, at = {}, 0
    while match := _XML_FIELD.match(whole[2], at):
        found[match[1].rpartition(":")[2]] = match[2].strip()
        at = match.end()
    return found if at == len(whole[2]) else None


def fields_seen(answer: Answer) -> str:
    """
    Which fields an answer has, those that hold an address first, and what to set; without their values, which
    may be secrets.
    """
    if isinstance(answer.document, dict | list):
        fields = list(islice(_fields(answer.document, "", 0), 200))
        addresses = [path for path, value in fields if _is_address(path, value)]
        seen = [*addresses, *(path for path, _ in fields if path not in addresses)]
        hint = f" An address is at {addresses[0]!r}: result.url (result_url_field)." if addresses else ""
    else:
        names = dict(_XML_SEEN.findall(body_text(answer.response)[:LARGEST]))
        seen = [f"<{name}>" for name in names]
        address = next((n for n, v in names.items() if v.startswith(("http:", "https:"))), None)
        hint = f' Of XML a part is taken by "$ ~ <{address or "name"}>([^<]+)".' if seen else ""
    return f"Seen were {', '.join(one_line(s, 80) for s in seen[:10])}.{hint} " if seen else ""


def _fields(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and depth < 5:
        for name, inner in list(value.items())[:50]:
            plain_name = re.fullmatch(r"[\w$-]+", str(name))
            step = str(name) if plain_name else f"[{json.dumps(str(name))}]"
            yield from _fields(inner, f"{path}.{step}" if path and plain_name else f"{path}{step}", depth + 1)
    elif isinstance(value, list) and value and depth < 5:
        yield from _fields(value[0], f"{path}[*]", depth + 1)
    elif path:
        yield path, value


def _is_address(path: str, value: Any) -> bool:
    if not isinstance(value, str) or "self" in path.split("."):
        return False
    named = bool(set(_words(path)[-1:]) & {"url", "uri", "href", "link", "location"})
    return value.startswith(("http://", "https://")) or (named and value.startswith("/"))
