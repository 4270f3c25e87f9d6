# SPDX-License-Identifier: Apache-2.0
"""
What stands beside a final word and denies it: boolean values, error objects, counts of what has failed.

A name is cut into its words (``numberRecordsFailed``, ``failed_count``), and denies only if all of them are
known here: ``max_errors``, ``failed_attempts`` or ``error_file_url`` are no failure.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from airflow_async_provider.protocols._http.places import MISSING, Answer, as_text, says_something
from airflow_async_provider.protocols._http.values import body_text, json_or_none, one_line
from airflow_async_provider.protocols._http.words import Meaning, known_meaning, plain


class Kind(Enum):
    """What denies a success."""

    BOOLEAN = "boolean"
    ERROR = "error"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Denial:
    """
    A field that denies a success.

    :param text: the field and its value, for people
    """

    kind: Kind
    text: str


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_FALSE: Final = _set("success succeeded successful issuccess issucceeded issuccessful wassuccessful ok isok")
_TRUE: Final = _set(
    "failed failure isfailed isfailure hasfailed hasfailure hasfailures error iserror haserror haserrors "
    "errored faulted isfaulted cancelled canceled iscancelled iscanceled wascancelled wascanceled aborted "
    "isaborted expired isexpired timedout istimedout hastimedout killed"
)
#: Numbers that are 0 when all is well.
_CODES: Final = _set("exitcode exitstatus returncode errorcode errcode")

_FAIL: Final = _set("fail fails failed failing failure failures rejected unsuccessful")
#: The same, of something that is counted only: a list named "bad" may be a result.
_BAD: Final = _set("bad broken invalid")
_ERROR: Final = _set("error errors errored err exception exceptions fault faults traceback stacktrace")
_UNITS: Final = _set(
    "count counts number numbers num no n nb total totals of by list records record rows row items item "
    "tasks task files file requests request documents docs entries entry lines line jobs job parts part "
    "messages operations objects chunks users contacts steps batches shards pages nodes elements events "
    "processed"
)
_TELLING: Final = _set(
    "message messages msg reason text description detail details code type result string info cause object"
)
#: Words that make a name that of a setting, or of what has been got over.
_OF_OTHERS: Final = _set(
    "allowed allow max maximum min minimum threshold limit limits tolerance tolerated tolerate last previous "
    "prior login before over on if timeout seconds policy action actions handler handlers notify "
    "notification notifications email emails webhook webhooks url urls uri link path pattern patterns "
    "condition conditions config settings options strategy ignored ignore expected known handled suppressed "
    "resolved fixed recovered retried retry retries tries attempt attempts continue stop rate percent ratio "
    "behavior behaviour mode type types code codes non not no without"
)
#: Texts of such a field that say "none".
_NOTHING: Final = _set("0 none null ok success noerror noerrors na n/a no false") | {""}
#: Objects that hold the counts of a job.
_COUNTERS: Final = _set(
    "stats statistics summary counts counters requestcounts totals metrics result results progress report "
    "response meta output"
)

#: Objects that speak of the job, and lists of its parts: a failed state in them is the job's own affair.
_INNER: Final = _set("job task run operation execution")
_PARTS: Final = _set(
    "items tasks jobs parts steps stages batches chunks shards children subtasks subjobs files activities"
)
#: Lists of what came of each part of a job: there more than a column "status" must show a failure.
_OUTCOMES: Final = _set("results entries responses outcomes")

#: Lists of what a job has to tell, and the field of an element that says how bad it is.
_MESSAGES: Final = _set("messages diagnostics issues problems")
_SEVERITY: Final = ("severity", "level", "type")
_SEVERE: Final = _set("error fatal critical")

#: Fields that hold a state, and words that say "not yet" and mean nothing else, wherever they stand.
_STATE_FIELDS: Final = _set("status state phase jobstatus jobstate runstatus runstate taskstatus taskstate")
_PART_STATES: Final = _STATE_FIELDS | _set("delivery deliverystatus filestatus outcome .tag")
_RUNS: Final = _set("running pending queued inprogress processing executing inqueue notstarted")
_OVER: Final = _set("done completed finished iscomplete iscompleted isdone isfinished")
_GOES_ON: Final = _set("running isrunning inprogress isinprogress")

#: Ends that are none of a success, and words for them that are said of what has done its work, too.
_ENDED_BADLY: Final = (Meaning.FAILED, Meaning.EXPIRED, Meaning.CANCELLED)
_NO_HARM: Final = _set("stopped dismissed")

#: Simple elements of an XML document, and how many characters of it are looked at.
_ELEMENT: Final = re.compile(r"<(?:[\w.-]{1,60}:)?([\w.-]{1,60})(?:\s[^<>]{0,200})?>([^<>]{0,200})</")
_SEARCHED: Final = 20_000

#: Words of a name that make it another state of the same job.
_STATE: Final = _set("status state substatus substate conclusion result outcome verdict")
_OF_THE_JOB: Final = _set(
    "job task run batch export import request execution exec processing process completion complete final "
    "end exit overall operation report query sub detail details code reason text name type "
    "description info message transfer load build response label display"
)

#: Fields of an object that are looked at.
_MOST = 200


@lru_cache(maxsize=1024)
def _named(name: str) -> Kind | None:
    """Whether a name is that of an error or of something that has failed, by its words."""
    words = set(_words(name))
    if words & _BAD and words & _UNITS and words <= _BAD | _UNITS:
        return Kind.COUNT
    if not words & (_FAIL | _ERROR):
        return None
    if not words <= _FAIL | _ERROR | _UNITS | _TELLING:
        return None
    return Kind.ERROR if words & (_ERROR | _TELLING) else Kind.COUNT


@lru_cache(maxsize=1024)
def _counted(name: str, *, holds: bool) -> Kind | None:
    """
    Whether a name is that of things that have failed, whatever they are called: ``failedTickets``.

    :param holds: it holds them, and not their number
    """
    words = _words(name)
    if not words or set(words) & _OF_OTHERS:
        return None
    first, last = words[0], words[-1]
    if holds and last in _ERROR:
        return Kind.ERROR
    many = last in _UNITS or last.endswith("s")
    if (first in _FAIL and (holds or many)) or last in _FAIL:
        return Kind.COUNT
    if not holds and last == "errors":
        return Kind.COUNT
    if holds or last not in ("count", "counts"):
        return None
    return Kind.COUNT if first in _BAD or set(words) & (_FAIL | _ERROR) else None


def _words(name: str) -> list[str]:
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z\W_]+", name[:100])]


@lru_cache(maxsize=1024)
def names_a_state(name: str) -> bool:
    """Whether a name is that of the job's own state: ``status_detail``, but not ``last_status``."""
    words = set(_words(name))
    return bool(words & _STATE) and words <= _STATE | _OF_THE_JOB


def denial(document: Any, *, ignored: Collection[str] = (), counts: bool = True) -> list[Denial]:
    """
    What the fields of an object, and of its counters, say against a success.

    :param ignored: names of fields that the description speaks of itself
    :param counts: whether numbers and lists of what has failed are looked at
    """
    if not isinstance(document, dict):
        return []
    found: list[Denial] = []
    inside: list[Denial] = []
    for name, value in list(document.items())[:_MOST]:
        if name in ignored:
            continue
        if (denied := _field(str(name), value)) and (counts or denied.kind is not Kind.COUNT):
            found.append(denied)
        if counts:
            inside += _inside(str(name), value, ignored)
    return found + inside  # what the document itself says goes first


def runs_for_sure(name: str, value: str | bool) -> bool:
    """Whether a field says that its job runs, so that a good word elsewhere is about something else."""
    if isinstance(value, bool):
        return plain(name) in (_GOES_ON if value else _OVER)
    return plain(name) in _STATE_FIELDS and plain(value) in _RUNS


def fields_of_text(answer: Answer) -> list[dict[str, Any]]:
    """The fields of an answer that is not JSON: simple elements of XML, or the last line of JSON lines."""
    if answer.document is not MISSING:
        return []
    text = body_text(answer.response).strip()
    if text.startswith("<"):
        found: dict[str, Any] = {}
        for name, content in _ELEMENT.findall(text[:_SEARCHED])[:_MOST]:
            value = content.strip()
            found.setdefault(name, {"true": True, "false": False}.get(value.casefold(), value))
        return [found]
    if text.startswith("{"):
        last = json_or_none(text[-_SEARCHED:].rpartition("\n")[2].encode())
        return [] if last is None else [last]
    return []


def _inside(name: str, value: Any, ignored: Collection[str]) -> list[Denial]:
    """What an object that speaks of the job, its counters, or a list of its parts say against a success."""
    bare, found = plain(name), []
    google = bare == "metadata" and isinstance(value, dict) and "@type" in value  # AIP-151
    if isinstance(value, dict) and (google or bare in _INNER | _COUNTERS):
        if word := _failed_state(value) or _failed_type(value):
            found.append(Denial(Kind.COUNT, f"{name}: {word}"))
        for inner, count in list(value.items())[:_MOST] if bare in _COUNTERS else ():
            if inner not in ignored and (denied := _field(str(inner), count)):
                found.append(Denial(Kind.COUNT, f"{name}.{denied.text}"))
    elif isinstance(value, list) and bare in _MESSAGES:
        severe = next((m for m in value[:1000] if isinstance(m, dict) and _severity(m)), None)
        if severe is not None:
            found.append(Denial(Kind.ERROR, f"{name}: {_severity(severe)}"))
    elif isinstance(value, list) and bare in _PARTS | _OUTCOMES:
        parts = [part for part in value[:1000] if isinstance(part, dict)]
        failed = [text for part in parts if (text := failed_part(part, states=bare in _PARTS))]
        if failed:
            found.append(Denial(Kind.COUNT, f"{name}: {len(failed)} of {len(value)} {failed[0]}"))
    return found


def failed_part(part: dict[str, Any], *, states: bool) -> str | None:
    """
    What one part of a job says against its success.

    :param states: it is a part for certain: a failed state counts, and an error beside data does not
    """
    if word := _failed_state(part, _PART_STATES if states else _set(".tag")):  # a union of Dropbox's
        return word
    denials = [d for n, v in list(part.items())[:_MOST] if (d := _field(str(n), v))]
    boolean = next((d.text for d in denials if d.kind is Kind.BOOLEAN), None)
    return boolean or (next((d.text for d in denials if d.kind is Kind.ERROR), None) if not states else None)


def _failed_state(document: dict[str, Any], fields: frozenset[str] = _STATE_FIELDS) -> str | None:
    for name, value in list(document.items())[:_MOST]:
        says = (plain(str(name)) in fields or name in fields) and isinstance(value, str)
        if says and plain(value[:100]) not in _NO_HARM and known_meaning(value[:100]) in _ENDED_BADLY:
            return one_line(value, 40)
    return None


def _failed_type(result: dict[str, Any]) -> str | None:
    """What a result says that is nothing but an error: ``resultType: error``."""
    fields = {plain(str(name)): value for name, value in list(result.items())[:_MOST]}
    found = fields.get("resulttype")
    return f"resultType: {found}" if isinstance(found, str) and plain(found) in _SEVERE else None


def _severity(message: dict[str, Any]) -> str | None:
    """The word by which one message of a job is one of an error."""
    for name in _SEVERITY:
        value = message.get(name)
        if isinstance(value, str) and plain(value) in _SEVERE:
            return value
    return None


def refused(document: Any) -> str | None:
    """The boolean by which a 2xx says that the request itself was refused, None where it has none."""
    if not isinstance(document, dict):
        return None
    return next((f"{n}: false" for n in ("success", "ok") if document.get(n) is False), None)


def failed_envelope(document: Any) -> str | None:
    """
    The code by which the envelope around an answer says that the question was refused, None where it has
    none: ``{"code": 40100, "message": "Too many requests", "data": {…}}``.
    """
    fields = (
        {plain(str(n)): v for n, v in list(document.items())[:_MOST]} if isinstance(document, dict) else {}
    )
    code, text = fields.get("code"), fields.get("message", fields.get("msg"))
    if isinstance(code, bool) or not isinstance(code, int) or not isinstance(text, str):
        return None
    if 0 <= code < 400 or plain(text.strip()) in _NOTHING or plain(text).startswith(("success", "ok")):
        return None
    return f"code: {code}"


def _field(name: str, value: Any) -> Denial | None:
    bare = plain(name)
    if isinstance(value, bool):
        if bare in (_TRUE if value else _FALSE):
            return Denial(Kind.BOOLEAN, f"{name}: {as_text(value)}")
        return None
    if bare in _CODES and isinstance(value, int):
        return Denial(Kind.BOOLEAN, f"{name}: {value}") if value not in (0, 200) else None
    kind = _named(name) or _counted(name, holds=isinstance(value, list | dict))
    if kind is None:
        return None
    if _some(value):
        return Denial(
            Kind.ERROR if isinstance(value, list | dict) and kind is Kind.ERROR else Kind.COUNT,
            f"{name}: {_short(value)}",
        )
    if isinstance(value, dict) and says_something(value):
        return Denial(kind, f"{name}: {len(value)} of them" if kind is Kind.COUNT else name)
    telling = kind is Kind.ERROR or bare == "failure"
    if telling and isinstance(value, str) and not value.isdigit() and plain(value.strip()) not in _NOTHING:
        return Denial(Kind.ERROR, name)
    return None


def _some(value: Any) -> bool:
    """Whether a value is a number above 0, or a list that is not empty."""
    if isinstance(value, str):
        return value.isdecimal() and len(value) < 20 and int(value) > 0
    if isinstance(value, list):
        return says_something(value)
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _short(value: Any) -> str:
    return f"{len(value)} of them" if isinstance(value, list) else one_line(as_text(value), 40)
