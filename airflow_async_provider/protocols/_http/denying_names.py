# SPDX-License-Identifier: Apache-2.0
"""
What the name of a field says by its words: an error, things that have failed, a state of the job.

A name is cut into its words (``numberRecordsFailed``, ``failed_count``). ``max_errors``, ``failed_attempts``
or ``error_file_url`` are no failure.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final


class Kind(Enum):
    """What denies a success."""

    BOOLEAN = "boolean"
    ERROR = "error"
    COUNT = "count"


def words_set(words: str) -> frozenset[str]:
    """A set of words that are written with blanks between them."""
    return frozenset(words.split())


_FAIL: Final = words_set("fail fails failed failing failure failures rejected unsuccessful")
#: The same, of something that is counted only: a list named "bad" may be a result.
_BAD: Final = words_set("bad broken invalid")
_ERROR: Final = words_set("error errors errored err exception exceptions fault faults traceback stacktrace")
_UNITS: Final = words_set(
    "count counts number numbers num no n nb total totals of by list records record rows row items item "
    "tasks task files file requests request documents docs entries entry lines line jobs job parts part "
    "messages operations objects chunks users contacts steps batches shards pages nodes elements events "
    "processed"
)
_TELLING: Final = words_set(
    "message messages msg reason text description detail details code type result string info cause object"
)
#: Words that make a name that of a setting, or of what has been got over.
_OF_OTHERS: Final = words_set(
    "allowed allow max maximum min minimum threshold limit limits tolerance tolerated tolerate last previous "
    "prior login before over on if timeout seconds policy action actions handler handlers notify "
    "notification notifications email emails webhook webhooks url urls uri link path pattern patterns "
    "condition conditions config settings options strategy ignored ignore expected known handled suppressed "
    "resolved fixed recovered retried retry retries tries attempt attempts continue stop rate percent ratio "
    "behavior behaviour mode type types code codes non not no without"
)
#: Things that are done: "import_error" is the error of one.
_WORK: Final = words_set(
    "job task run batch export import execution exec process operation query load build transfer sync"
)
#: Words of a boolean that is true where something has failed: "failureDumpAvailable".
_WITH: Final = words_set(
    "has have had is was were with any some contains available present found occurred exists partial "
    "partially dump file files record records row rows item items task tasks job"
)
#: Words of a boolean that is false until the job has ended: "is_execution_finished".
_OVER: Final = words_set("done completed finished complete ended")
_CANCELLED: Final = words_set("cancelled canceled aborted")
#: Words of a name that make it another state of the same job.
_STATE: Final = words_set("status state substatus substate conclusion result outcome verdict disposition")
_OF_THE_JOB: Final = words_set(
    "job task run batch export import request execution exec processing process completion complete final "
    "end exit overall operation report query sub detail details code reason text name type "
    "description info message transfer load build response label display"
)
#: Words of a name that make it the state of one part of a job.
_PART_STATE: Final = words_set("status state phase outcome delivery")
_OF_A_PART: Final = words_set(
    "transaction item step ingestion file chunk part upload download delivery shard node unit record"
)
#: Lists of the parts of a job, and of what came of each part, and words before such a name.
_PARTS: Final = words_set(
    "items tasks jobs parts steps stages batches chunks shards children subtasks subjobs files activities"
)
_COUNTS: Final = words_set("stats statistics summary counts counters totals metrics")
_OUTCOMES: Final = words_set("results entries responses outcomes")
_OF_PARTS: Final = words_set(
    "sub child nested inner job task run batch step action item record request operation import export "
    "upload download delete update create insert"
)


@lru_cache(maxsize=1024)
def kind_of_name(name: str) -> Kind | None:
    """Whether a name is that of an error or of something that has failed, by its words."""
    words = set(words_of(name))
    if words & _BAD and words & _UNITS and words <= _BAD | _UNITS:
        return Kind.COUNT
    if words & _CANCELLED and words <= (_CANCELLED | _FAIL | _UNITS) - {"by"}:
        return Kind.COUNT
    if not words & (_FAIL | _ERROR):
        return None
    work = _WORK if words_of(name)[-1] in _ERROR | _TELLING else frozenset()
    if not words <= _FAIL | _ERROR | _UNITS | _TELLING | work:
        return None
    return Kind.ERROR if words & (_ERROR | _TELLING) else Kind.COUNT


@lru_cache(maxsize=1024)
def kind_of_count(name: str, *, holds: bool) -> Kind | None:
    """
    Whether a name is that of things that have failed, whatever they are called: ``failedTickets``.

    :param holds: it holds them, and not their number
    """
    words = words_of(name)
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


@lru_cache(maxsize=1024)
def tells_of_failures(name: str) -> bool:
    """Whether a boolean of this name that is true says that something has failed: ``containsErrors``."""
    words = set(words_of(name))
    return bool(words & (_FAIL | _ERROR)) and words <= _FAIL | _ERROR | _WITH


@lru_cache(maxsize=1024)
def tells_of_the_end(name: str) -> bool:
    """Whether a boolean of this name that is false says that the job has not ended: ``isJobFinished``."""
    words = set(words_of(name))
    return bool(words & _OVER) and words <= _OVER | _OF_THE_JOB | {"is", "has", "was"}


@lru_cache(maxsize=1024)
def names_counts(name: str) -> bool:
    """Whether an object of this name holds the counts of a job: ``completionStats``."""
    words = words_of(name)
    return bool(words) and words[-1] in _COUNTS and not set(words) & _OF_OTHERS


@lru_cache(maxsize=1024)
def names_parts(name: str) -> bool | None:
    """
    Whether a list of this name holds parts of a job (True) or what came of each of them (False).

    :return: None where it holds neither, as far as its name says; ``nestedResults`` says False
    """
    *first, last = words_of(name) or [""]
    if not set(first) <= _OF_PARTS or last not in _PARTS | _OUTCOMES:
        return None
    return last in _PARTS


@lru_cache(maxsize=1024)
def names_state_of_part(name: str) -> bool:
    """Whether a name is that of the state of one part of a job: ``transaction_status``."""
    words = set(words_of(name))
    return bool(words & _PART_STATE) and words <= _PART_STATE | _OF_THE_JOB | _OF_A_PART


def words_of(name: str) -> list[str]:
    """The words of a name, in lower case."""
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^A-Za-z\W_]+", name[:100])]


@lru_cache(maxsize=1024)
def names_a_state(name: str) -> bool:
    """Whether a name is that of the job's own state: ``status_detail``, but not ``last_status``."""
    words = set(words_of(name))
    return bool(words & _STATE) and words <= _STATE | _OF_THE_JOB
