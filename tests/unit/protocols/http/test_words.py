# SPDX-License-Identifier: Apache-2.0
"""Words that mean the same everywhere."""

from __future__ import annotations

import pytest

from airflow_async_provider.protocols._http.words import Meaning, known_meaning, worst


@pytest.mark.parametrize(
    ("meaning", "words"),
    [
        (
            Meaning.SUCCEEDED,
            "Succeeded SUCCESS successful Completed JobComplete done JOB_STATE_SUCCEEDED",
        ),
        (Meaning.SUCCEEDED, "succeed QUERY_STATE_COMPLETED execution_status_success"),
        (
            Meaning.FAILED,
            "failed FAILURE error Fatal FATAL crashed CRASHED timed_out Timed-Out",
        ),
        (Meaning.FAILED, "OUT_OF_MEMORY NODE_FAIL startup_failure INTERNAL_ERROR PartiallySucceeded expired"),
        (Meaning.FAILED, "DEAD partial QUERY_STATE_COMPLETED_PARTIAL PARTIALLY_PROCESSED"),
        (Meaning.CANCELLED, "cancelled Canceled aborted REVOKED dismissed Killed STOPPED"),
        (Meaning.NOT_RUN, "skipped NOT_BUILT"),
        (
            Meaning.RUNNING,
            "running PENDING queued IN_QUEUE accepted in_progress InProgress NotStarted",
        ),
        (
            Meaning.RUNNING,
            "validating finalizing cancelling RETRY Suspended waiting created",
        ),
    ],
)
def test_a_word_means_the_same_however_it_is_written(meaning: Meaning, words: str) -> None:
    assert {word: known_meaning(word) for word in words.split()} == dict.fromkeys(words.split(), meaning)


@pytest.mark.parametrize("word", ["Ended Not OK", "Job Failed", "Ended  not_ok"])
def test_words_with_blanks(word: str) -> None:
    assert known_meaning(word) is Meaning.FAILED
    assert known_meaning("Ended OK") is Meaning.SUCCEEDED
    assert known_meaning("Job Not Started") is Meaning.RUNNING


@pytest.mark.parametrize(
    "word", ["ready", "ok", "terminated", "ended", "closed", "10", "", "crunching", "PRE_VIOUS_STATE_DONE"]
)
def test_a_word_that_means_different_things_is_not_known(word: str) -> None:
    assert known_meaning(word) is None


def test_of_several_the_worst_counts() -> None:
    assert worst([Meaning.SUCCEEDED, Meaning.FAILED, Meaning.RUNNING]) is Meaning.FAILED
    assert worst([Meaning.SUCCEEDED, Meaning.RUNNING]) is Meaning.RUNNING
    assert worst([Meaning.SUCCEEDED, Meaning.UNKNOWN]) is Meaning.UNKNOWN
