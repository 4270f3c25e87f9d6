# SPDX-License-Identifier: Apache-2.0
"""What stands beside a final word and denies it: booleans, error objects, counts of what has failed."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from airflow_async_provider.protocols._http.denying_names import (
    Kind,
    kind_of_count,
    kind_of_name,
    names_counts,
    names_parts,
    names_state_of_part,
    tells_of_failures,
    tells_of_the_end,
    words_set,
)
from airflow_async_provider.protocols._http.places import MISSING, Answer, as_text, says_something
from airflow_async_provider.protocols._http.values import body_text, one_line
from airflow_async_provider.protocols._http.words import Meaning, known_meaning, plain
from airflow_async_provider.protocols._http_messages import json_or_none


@dataclass(frozen=True, slots=True)
class Denial:
    """
    A field that denies a success.

    :param text: the field and its value, for people
    """

    kind: Kind
    text: str


_FALSE: Final = words_set(
    "success succeeded successful issuccess issucceeded issuccessful wassuccessful ok isok"
)
_TRUE: Final = words_set(
    "failed failure isfailed isfailure hasfailed hasfailure hasfailures error iserror haserror haserrors "
    "errored faulted isfaulted cancelled canceled iscancelled iscanceled wascancelled wascanceled aborted "
    "isaborted expired isexpired timedout istimedout hastimedout killed"
)
#: The same, of a job of which only a part was done.
_PARTLY: Final = words_set("ispartial partialresult partialresults")
#: Numbers that are 0 when all is well.
_CODES: Final = words_set("exitcode exitstatus returncode errorcode errcode")

#: Texts of a field of an error that say "none".
_NOTHING: Final = words_set("0 none null ok success noerror noerrors na n/a no false") | {""}
#: Objects that are the envelope of an answer, and their codes: those of HTTP need no text beside them.
_ENVELOPES: Final = words_set("status meta header head baseresp responsemetadata responsestatus")
_HTTP_CODES: Final = ("httpstatus", "httpstatuscode", "httpcode", "statuscode")

#: Objects that hold the counts of a job.
_COUNTERS: Final = words_set(
    "requestcounts result results progress report response meta output details properties"
)

#: Objects that speak of the job, or hold its parts: a failed state in them is the job's own affair.
_INNER: Final = words_set("job task run operation execution")
_HOLDERS: Final = _INNER | {"entities"}
#: Objects that may hold the counts of a job in an object of their own.
_AROUND_COUNTS: Final = words_set("metadata meta result results details properties info attributes report")

#: Lists of what a job has to tell, and the field of an element that says how bad it is.
_MESSAGES: Final = words_set("messages diagnostics issues problems")
_SEVERITY: Final = ("severity", "level", "type")
_SEVERE: Final = words_set("error fatal critical")

#: Fields that hold a state, and words that say "not yet" and mean nothing else, wherever they stand.
_STATE_FIELDS: Final = words_set(
    "status state phase jobstatus jobstate runstatus runstate taskstatus taskstate"
)
_RUNS: Final = words_set("running pending queued inprogress processing executing inqueue notstarted")
_OVER: Final = words_set("done completed finished iscomplete iscompleted isdone isfinished")
_GOES_ON: Final = words_set("running isrunning inprogress isinprogress")

#: Ends that are none of a success, and words for them that are said of what has done its work, too.
_ENDED_BADLY: Final = (Meaning.FAILED, Meaning.EXPIRED, Meaning.CANCELLED)
_NO_HARM: Final = words_set("stopped dismissed")

#: Simple elements of an XML document, and how many characters of it are looked at.
_ELEMENT: Final = re.compile(r"<(?:[\w.-]{1,60}:)?([\w.-]{1,60})(?:\s[^<>]{0,200})?>([^<>]{0,200})</")
_SEARCHED: Final = 20_000

#: Fields of an object that are looked at.
_MOST = 200


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
            if counts and isinstance(value, dict) and any(n in ignored for n in value):
                inside += _inside(str(name), value, ignored)  # what is read is one of its fields
            continue
        if (denied := _field(str(name), value)) and (counts or denied.kind is not Kind.COUNT):
            found.append(denied)
        if counts:
            inside += _inside(str(name), value, ignored)
    return found + inside  # what the document itself says goes first


def says_how_inside(value: dict[str, Any]) -> str | None:
    """The bad word in a small object that stands where a state does: ``result: {"name": "FAILED"}``."""
    fields = {plain(str(n)): v for n, v in value.items()} if len(value) <= 10 else {}
    words = [fields.get(n) for n in ("name", "value", "result", "code", "conclusion", "status", "state")]
    return next((w for w in words if isinstance(w, str) and known_meaning(w) in _ENDED_BADLY), None)


def runs_for_sure(name: str, value: str | bool) -> bool:
    """Whether a field says that its job runs, so that a good word elsewhere is about something else."""
    if isinstance(value, bool):
        return plain(name) in _GOES_ON if value else plain(name) in _OVER or tells_of_the_end(name)
    return plain(name) in _STATE_FIELDS and plain(value) in _RUNS


def is_not_met(document: dict[str, Any], name: str) -> bool:
    """Whether a condition, as Kubernetes has them, does not hold: ``status: "False"`` beside a ``type``."""
    if name != "status" or not isinstance(document.get("type"), str):
        return False
    return document.get(name) in ("False", "Unknown")


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
    if isinstance(value, dict):
        return _inside_object(name, value, ignored)
    if not isinstance(value, list):
        return []
    if plain(name) in _MESSAGES:
        severe = next((m for m in value[:1000] if isinstance(m, dict) and _severity(m)), None)
        return [] if severe is None else [Denial(Kind.ERROR, f"{name}: {_severity(severe)}")]
    if (parts := names_parts(name)) is None:
        return []
    objects = [part for part in value[:1000] if isinstance(part, dict)]
    failed = [text for part in objects if (text := failed_part(part, states=parts))]
    text = f"{name}: {len(failed)} of {len(value)} {failed[0]}" if failed else ""
    return [Denial(Kind.COUNT, text)] if failed else []


def _inside_object(name: str, value: dict[str, Any], ignored: Collection[str]) -> list[Denial]:
    bare, fields = plain(name), list(value.items())[:_MOST]
    counters = bare in _COUNTERS or names_counts(name)
    found: list[Denial] = []
    google = bare == "metadata" and "@type" in value  # AIP-151
    if (google or counters or bare in _INNER) and (word := _failed_state(value) or _failed_type(value)):
        found.append(Denial(Kind.COUNT, f"{name}: {word}"))
    for inner, count in fields if counters else ():
        if inner not in ignored and (denied := _field(str(inner), count)):
            found.append(Denial(Kind.COUNT, f"{name}.{denied.text}"))
    for inner, counts in fields if bare in _AROUND_COUNTS else ():
        if isinstance(counts, dict) and names_counts(str(inner)):
            more = _inside_object(str(inner), counts, ignored)
            found += [Denial(d.kind, f"{name}.{d.text}") for d in more]
    for inner, parts in fields if counters or bare in _HOLDERS else ():
        if isinstance(parts, list) and (bare in _HOLDERS or names_parts(str(inner)) is False):
            found += [Denial(d.kind, f"{name}.{d.text}") for d in _inside(str(inner), parts, ignored)]
    return found


def failed_part(part: dict[str, Any], *, states: bool) -> str | None:
    """
    What one part of a job says against its success.

    :param states: it is a part for certain: a failed state counts, and an error beside data does not
    """
    if word := _failed_state(part, part=states):
        return word
    denials = [d for n, v in list(part.items())[:_MOST] if (d := _field(str(n), v))]
    boolean = next((d.text for d in denials if d.kind is Kind.BOOLEAN), None)
    return boolean or (next((d.text for d in denials if d.kind is Kind.ERROR), None) if not states else None)


def _failed_state(document: dict[str, Any], *, part: bool | None = None) -> str | None:
    """
    The word of a state of an object that has not ended well.

    :param part: it is a part of the job, or what came of one (False): there only a union of Dropbox's counts
    """
    for name, value in list(document.items())[:_MOST]:
        if part is None:
            says = plain(str(name)) in _STATE_FIELDS
        else:
            says = name == ".tag" or (part and names_state_of_part(str(name)))
        word = value[:100] if says and isinstance(value, str) else ""
        if plain(word) not in _NO_HARM and known_meaning(word) in _ENDED_BADLY:
            return one_line(word, 40)
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
    none: ``{"code": 40100, "message": "Too many requests", "data": {…}}``, or the same in ``base_resp``,
    ``meta`` and the like.
    """
    if not isinstance(document, dict):
        return None
    if found := _failed_code(document):
        return found
    inner = [(n, v) for n, v in list(document.items())[:_MOST] if plain(str(n)) in _ENVELOPES]
    codes = ((n, _failed_code(v, inner=True)) for n, v in inner if isinstance(v, dict))
    return next((f"{name}.{code}" for name, code in codes if code), None)


def _failed_code(envelope: dict[str, Any], *, inner: bool = False) -> str | None:
    fields = {plain(str(n)): (n, v) for n, v in list(envelope.items())[:_MOST]}
    for bare in _HTTP_CODES if inner else ():
        name, value = fields.get(bare, ("", None))
        if isinstance(value, str | int) and re.match(r"[45]\d\d(?!\d)", str(value)):
            return f"{name}: {one_line(as_text(value), 40)}"
    texts = ("message", "msg", "statusmsg", "statusmessage") if inner else ("message", "msg")
    text = next((fields[t][1] for t in texts if t in fields), None)
    if (
        not isinstance(text, str)
        or plain(text.strip()) in _NOTHING
        or plain(text).startswith(("success", "ok"))
    ):
        return None
    for bare in ("code", "statuscode") if inner else ("code",):
        name, code = fields.get(bare, ("", None))
        if isinstance(code, int) and not isinstance(code, bool) and not 0 <= code < 400:
            return f"{name}: {code}"
    return None


def _field(name: str, value: Any) -> Denial | None:
    bare = plain(name)
    if isinstance(value, bool):
        if value and bare in _PARTLY:
            return Denial(Kind.COUNT, f"{name}: true")
        if bare in _TRUE or tells_of_failures(name) if value else bare in _FALSE:
            return Denial(Kind.BOOLEAN, f"{name}: {as_text(value)}")
        return None
    if bare in _CODES and isinstance(value, int):
        return Denial(Kind.BOOLEAN, f"{name}: {value}") if value not in (0, 200) else None
    kind = kind_of_name(name) or kind_of_count(name, holds=isinstance(value, list | dict))
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
