# SPDX-License-Identifier: Apache-2.0
"""A state in a document without a description: it may deny the success that a status code reports."""

from __future__ import annotations

import re
from typing import Any, Final

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.description import Outcome
from airflow_async_provider.protocols._http.places import MISSING, Answer, as_text, says_something
from airflow_async_provider.protocols._http.values import body_text, error_text, media_type, one_line
from airflow_async_provider.protocols._http.words import Meaning, known_meaning, plain, worst
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._redaction import excerpt

#: Names of fields that may be what a description has missed, for the messages.
_LIKELY: Final = (
    "state", "status", "phase", "done", "completed", "finished", "progress", "result", "conclusion", "id",
    "jobid", "runid", "taskid", "token", "name", "url", "href", "location", "handle",
)  # fmt: skip

#: Fields of an object that are looked at, and characters of a text.
_MOST: Final = 200
_SEARCHED: Final = 2000
#: Fields in which a document without a description has the state of its job, whatever their spelling.
_STATES: Final = ("status", "state", "jobstatus", "jobstate", "taskstatus", "taskstate", "runstatus",
                  "runstate", "operationstatus", "phase", "provisioningstate", "lifecyclestate")  # fmt: skip
#: Objects around such a field.
_AROUND: Final = ("properties", "job", "task", "run", "operation")
#: Objects that may as well be the result: there only a word that is known to be no success counts.
_PERHAPS: Final = ("data", "d", "data.attributes", "response")
_FINISHED: Final = ("done", "completed", "finished", "iscomplete", "iscompleted", "isdone", "isfinished")
_PROGRESS: Final = ("progress", "percent", "percentage", "percentcomplete", "percentdone", "progresspercent",
                    "progresspercentage", "completionpercentage", "pctcomplete")  # fmt: skip
_NO_SUCCESS: Final = (Meaning.RUNNING, Meaning.FAILED, Meaning.CANCELLED, Meaning.EXPIRED)

#: A state as the child of an XML document's root, behind simple elements only.
_XML_STATE: Final = re.compile(
    r"\s*(?:<\?[^>]*\?>\s*)?<[\w:.-]+[^<>]*>\s*(?:<([\w:.-]{1,60})(?:\s[^<>]*)?>[^<>]{0,200}</\1>\s*){0,20}?"
    r"<(?:\w{1,20}:)?(?:job|task|run|operation)?[_-]?(?:status|state)(?:\s[^<>]*)?>\s*([^<>]{1,100}?)\s*</",
    re.IGNORECASE,
)
#: The beginning of an HTML document, whatever its media type: behind a mark of its encoding, blanks, comments
#: and an XML declaration.
_BEGINS: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,2000}?-->\s*){0,5}<(?:!doctype\s+html|html[\s>])",
    re.IGNORECASE | re.DOTALL,
)
#: What a page has in which a person logs in, or a browser for them: a password, or the forms of SAML and
#: OpenID Connect that send themselves (SAML 2.0 bindings, 3.5; OAuth 2.0 form post response mode, 2).
_LOGIN: Final = re.compile(
    rb"<input\b[^>]{0,300}\b(?:type\s*=\s*[\"\']?password\b"
    rb"|name\s*=\s*[\"\']?(?:SAMLRequest|SAMLResponse|RelayState|id_token|otp|passcode)\b)"
    rb"|<title\b[^>]{0,100}>[^<]{0,60}"
    rb"\b(?:log[ -]?in|log[ -]?on|sign[ -]?in|single sign[ -]?on|sso|authenticat\w{1,10})\b",
    re.IGNORECASE,
)
#: Titles and headings of pages that stand in for a system that is not there.
_STAND_IN: Final = re.compile(
    rb"<(?:title|h1)\b[^>]{0,100}>[^<]{0,60}\b(?:maintenance|(?:temporarily|service) unavailable"
    rb"|bad gateway|gateway time-?out|internal server error|server error|access denied|forbidden"
    rb"|unauthori[sz]ed|not found|just a moment|attention required|we.ll be (?:right )?back|coming soon"
    rb"|application error|error [45][0-9][0-9]|[45][0-9][0-9] )",
    re.IGNORECASE,
)
#: Fields of a JSON object that is nothing but an error, those of them with its text, and those with its code.
_OF_AN_ERROR: Final = frozenset((
    "code", "status", "statuscode", "errorcode", "errno", "error", "errors", "message", "msg", "errormessage",
    "errormsg", "errordescription", "description", "detail", "details", "title", "type", "reason", "path",
    "timestamp", "instance", "requestid", "traceid", "correlationid",
))  # fmt: skip
_TEXTS_OF_AN_ERROR: Final = frozenset((
    "error", "errors", "message", "msg", "errormessage", "errormsg", "errordescription", "detail", "title",
    "reason",
))  # fmt: skip
_CODES: Final = ("code", "status", "statuscode", "errorcode", "errno")
_ERROR_XML: Final = re.compile(
    r"(?:<\?[^>]*\?>\s*)?<(?:[\w.-]{1,40}:)?(?:"
    r"(?:\w{0,40}Exception(?:Report)?|Errors?|\w{0,40}Fault)\b"
    r"|Envelope\b[^>]{0,1000}>.{0,1000}?<(?:[\w.-]{1,40}:)?Fault\b)",
    re.DOTALL,
)
_ERROR_TEXT: Final = re.compile(
    r"(?:error|fatal|exception|traceback|internal server error)\b[: (\n]", re.IGNORECASE
)
#: A short text that asks for patience.
_PATIENCE: Final = re.compile(
    r".{0,60}\b(?:not (?:yet )?ready|still (?:running|processing|being)|in progress|please wait"
    r"|try again later|not (?:yet )?(?:available|finished|complete)|(?:is|are) being \w{3,20})\b.{0,100}",
    re.IGNORECASE,
)
#: Fields of an element of a list that make it a job, not a row of a result.
_JOB_IDS: Final = ("jobid", "taskid", "runid", "requestid", "operationid", "executionid", "batchid")


def sniffed(answer: Answer) -> list[str]:
    """
    The state that a document contains although no description names it; nothing where it contains
    none.
    """
    document = answer.document
    if isinstance(document, list):
        return _listed(document)
    if not isinstance(document, dict):
        return _text(answer)
    if word := _state(document):
        return [word]
    for name in _AROUND:
        if word := _state(document.get(name)):
            return [word]
    for place in _PERHAPS:
        word = _state(json_path.read(document, place))
        if word and known_meaning(word) in _NO_SUCCESS:
            return [word]
    fields = {plain(str(name)): value for name, value in list(document.items())[:_MOST]}
    if any(fields.get(name, MISSING) is False for name in _FINISHED):
        return ["false"]
    progress = next((fields[name] for name in _PROGRESS if name in fields), None)
    return ["in progress"] if _unfinished(progress) else []


def _listed(document: list[Any]) -> list[str]:
    """
    The worst state of a list of jobs. Rows of a result have states too, so only a word that is known to be no
    success counts, and only in a list of one or in one whose elements name jobs.
    """
    elements = document[:_MOST]
    if not all(isinstance(e, dict) for e in elements):
        return []
    if len(elements) != 1 and not all(any(plain(str(n)) in _JOB_IDS for n in e) for e in elements):
        return []
    words = [w for e in elements if (w := _state(e)) and known_meaning(w) in _NO_SUCCESS]
    meanings = [known_meaning(w) or Meaning.UNKNOWN for w in words]
    return [words[meanings.index(worst(meanings))]] if words else []


def _state(document: Any) -> str | None:
    if not isinstance(document, dict):
        return None
    fields = {plain(str(name)): value for name, value in list(document.items())[:_MOST]}
    for name in _STATES:
        value = fields.get(name)
        if isinstance(value, str) and value.strip() and len(value) <= 100:
            return value
    return None


def _unfinished(progress: Any) -> bool:
    """Whether a progress says that there is more to come; 1 may be all of it."""
    if isinstance(progress, str):
        digits = progress.strip().removesuffix("%").strip()
        progress = float(digits) if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", digits) else None
    if isinstance(progress, bool) or not isinstance(progress, int | float):
        return False
    return 0 <= progress < 100 and progress != 1


def _text(answer: Answer) -> list[str]:
    """A plain word, or XML with one, that is known to be no success: "RUNNING" is no result."""
    if answer.document is not MISSING:
        return []
    kind, text = media_type(answer.response), body_text(answer.response)[:_SEARCHED].strip()
    if kind.endswith("xml"):
        match = _XML_STATE.match(text)
        text = match[2] if match else ""
    elif kind in ("", "text/plain") and len(text) <= 200 and _PATIENCE.fullmatch(text):
        return ["in progress"]
    elif kind not in ("", "text/plain") or not re.fullmatch(r"[A-Za-z][A-Za-z _-]{1,39}", text):
        return []
    known = known_meaning(text) if plain(text) != "false" else None
    return [text] if known in _NO_SUCCESS else []


def refusal(answer: Answer) -> tuple[str, int | None] | None:
    """
    What a 2xx says that is nothing but an error, and the code in it; None for anything else.

    A JSON object of codes and texts (``{"code": 13, "message": "internal"}``), an XML document that is an
    error or a fault, a text that begins with the word.
    """
    document, response = answer.document, answer.response
    if isinstance(document, dict):
        names = {plain(str(name)) for name, value in document.items() if says_something(value)}
        fields = {plain(str(name)): value for name, value in document.items()}
        if not names or not names <= _OF_AN_ERROR or not names & _TEXTS_OF_AN_ERROR:
            return None
        code = next((c for name in _CODES if (c := _code(fields.get(name))) is not None), None)
        if code is None and "error" not in names and "errors" not in names:
            return None
        return error_text(document) or excerpt(response.body), code
    if document is MISSING and not is_html_page(response.body[:4096]):
        text = body_text(response)[:_SEARCHED].strip()
        if _ERROR_XML.match(text) or (media_type(response) in ("", "text/plain") and _ERROR_TEXT.match(text)):
            return excerpt(response.body), None
    return None


def _code(value: Any) -> int | None:
    """A number that is no success, of a field that holds codes."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if value != 0 and not 200 <= value < 300 else None


def is_html_page(beginning: bytes) -> bool:
    """
    Whether a body is an HTML document.

    :param beginning: its first bytes; 4 KiB will do
    """
    return bool(_BEGINS.match(beginning[:16_384]))


def is_login_page(response: HttpResponse) -> bool:
    """Whether an answer is a page in which a person or a browser logs in, which is no result."""
    return _is_page(response) and bool(_LOGIN.search(response.body[:65_536]))


def is_stand_in(response: HttpResponse) -> bool:
    """Whether an answer is a page for people, such as one that a proxy shows while the remote is away."""
    return is_html_page(response.body[:4096]) or (
        _is_page(response) and bool(_STAND_IN.search(response.body[:65_536]))
    )


def _is_page(response: HttpResponse) -> bool:
    return media_type(response) in ("text/html", "application/xhtml+xml") or is_html_page(
        response.body[:4096]
    )


def ambiguous(answer: Answer, word: str, *, job: str) -> DescriptionError:
    """The error for a 200 that may be the result, or may say that the job still runs."""
    word, response = one_line(word, 80), answer.response
    return DescriptionError(
        f"HTTP {response.status} for {job}: the answer has the status {word!r}, and nothing says whether "
        "that is an end. Take the profile status_field, with the word in the list succeeded, failed or "
        "running; or set outcome.state to false if the answer is the result. The answer began: "
        f"{excerpt(response.body)!r}",
        job=job,
        http_status=response.status,
        remote_status=word,
    )


def no_state(outcome: Outcome, answer: Answer, *, job: str) -> DescriptionError:
    """The error for a document that holds no state where the description says."""
    seen = candidates(answer)
    return DescriptionError(
        f"HTTP {answer.response.status} for {job}: there is no status word at {str(outcome.state)!r}. "
        + (f"Seen were {seen}. " if seen else "")
        + "Say where it is with status_field (outcome.state). The answer began: "
        f"{excerpt(answer.response.body)!r}",
        job=job,
        http_status=answer.response.status,
    )


def candidates(answer: Answer) -> str:
    """Fields of an answer that may be what a description was looking for: ``state: 'queued', jobId: '7'``."""
    found: list[str] = []

    def look(value: Any, path: str, depth: int) -> None:
        if not isinstance(value, dict) or depth > 3:
            return
        for name, inner in list(value.items())[:50]:
            where = f"{path}.{name}" if path else str(name)
            if isinstance(inner, dict):
                look(inner, where, depth + 1)
            elif isinstance(inner, str | int | bool) and any(plain(str(name)).endswith(x) for x in _LIKELY):
                # A URL may be a secret; the excerpt masks it.
                found.append(f"{one_line(where, 60)}: {one_line(as_text(inner), 40)!r}")

    look(answer.document, "", 0)
    return ", ".join(found[:8])
