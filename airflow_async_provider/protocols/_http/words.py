# SPDX-License-Identifier: Apache-2.0
"""
The words for states that real APIs use, and what they mean.

Only words that mean the same everywhere. Those that do not (``ready``, ``ok``, ``terminated``, ``ended``,
``closed``) are a description's to name. Words are compared without regard to case, blanks, hyphens and
underscores, and without a prefix such as ``JOB_STATE_``.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Final


class Meaning(StrEnum):
    """What a word says of a job."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    NOT_RUN = "not_run"
    NO_DATA = "no_data"
    #: it has ended, and something else says how
    ENDED = "ended"
    UNKNOWN = "unknown"


#: Of several states the first of these counts.
WORST_FIRST: Final = (
    Meaning.FAILED,
    Meaning.EXPIRED,
    Meaning.CANCELLED,
    Meaning.UNKNOWN,
    Meaning.RUNNING,
    Meaning.NOT_RUN,
    Meaning.ENDED,
    Meaning.SUCCEEDED,
    Meaning.NO_DATA,
)

_WORDS: Final = {
    Meaning.SUCCEEDED: (
        "succeeded succeed success successful successfully completed complete done finished passed endedok "
        "true"
    ),
    Meaning.FAILED: (
        "failed failure fail error errored fault faulted fatal exception crashed crash timedout timeout "
        "expired limited rejected refused invalid unsuccessful endednotok endedwitherror failedwitherror "
        "internalerror systemerror outofmemory nodefail bootfail deadline preempted startupfailure "
        "upstreamfailed actionrequired completedwitherror completedwitherrors completedwithfailures "
        "partiallycompleted partiallysucceeded partialsuccess partiallyfailed partialfailure partial "
        "completedpartial completedpartially partiallyprocessed partiallydone dead "
        "successwithfailures succeededwithissues maximumconcurrentrunsreached failedfullsyncrequired "
        "doesnotexist"
    ),
    Meaning.CANCELLED: (
        "cancelled canceled cancelledbyuser canceledbyuser usercancelled usercanceled upstreamcanceled "
        "upstreamcancelled aborted abort abandoned revoked dismissed killed stopped interruptedbyuser "
        "withdrawn"
    ),
    Meaning.NOT_RUN: ("skipped notrun notbuilt excluded"),
    Meaning.RUNNING: (
        "running run pending queued queueing queuing inqueue enqueued accepted created new notstarted "
        "starting started inprogress progress processing executing execution submitted scheduled "
        "scheduling waiting waitingforretry waitingforresources validating validated finalizing "
        "finalising cancelling canceling cancelrequested stopping aborting preparing prepared "
        "initializing initialising initialized pendingstart uploadcomplete uploading received retry "
        "retrying upforretry suspended suspending paused pausing resuming configuring completing "
        "requested building provisioning updating deleting working ingesting importing exporting planned "
        "planning deferred incomplete terminating restarting launching launched held onhold hold staging "
        "staged assigned ongoing undefined waitcondition waitresource waithost waituser waitworkload "
        "statusunknown open active allocating allocated syncing synchronizing loading generating "
        "rendering compiling transforming false"
    ),
}

#: In front of a word, and without a meaning of their own.
_PREFIXES: Final = (
    "jobstate",
    "jobstatus",
    "taskstate",
    "taskstatus",
    "runstate",
    "batchstate",
    "operationstate",
    "state",
    "status",
    "job",
    "task",
)

#: One word and STATE or STATUS, in front of a word: ``QUERY_STATE_``.
_PREFIX: Final = re.compile(r"^\s*[a-z]{2,20}_(state|status)_", re.IGNORECASE)

_SEPARATORS = re.compile(r"[\s_\-.]+")


def plain(word: str) -> str:
    """A word as it is compared."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFC", word).casefold())


KNOWN: Final = {plain(word): meaning for meaning, words in _WORDS.items() for word in words.split()}


def known_meaning(word: str) -> Meaning | None:
    """What a word means everywhere, None when that is not known."""
    bare = plain(word)
    found = KNOWN.get(bare) or KNOWN.get(plain(_PREFIX.sub("", word)))
    if found is None:
        for prefix in _PREFIXES:
            if bare.startswith(prefix) and (found := KNOWN.get(bare.removeprefix(prefix))):
                break
    return found


def worst(meanings: list[Meaning]) -> Meaning:
    """The one of several meanings that counts for all."""
    return next(m for m in WORST_FIRST if m in meanings)
