# SPDX-License-Identifier: Apache-2.0
"""
One shipped description against the simulated API that it describes: start, polls, result, cancellation.

A :class:`Row` says what a task gives and what has to come of it; the three functions below take it from the
start request to the end through the real hook, over real sockets.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

import pytest

from airflow_async_provider.hooks._descriptions import profile_of
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.protocols import JobHandle, JobState, JobStatus
from airflow_async_provider.protocols._job import Result
from airflow_async_provider.simulators.frame import running
from airflow_async_provider.simulators.real_apis import RealApisSimulator

FAILED, CANCELLED, SUCCEEDED = JobState.FAILED, JobState.CANCELLED, JobState.SUCCEEDED

#: polls that find a job running
POLLS = 4
#: more than any job here takes
MAX_POLLS = 20
CONN_ID = "real_api"


class Like:
    """
    Equal to every value of a kind.

    :param what: what it is called in a failed comparison
    :param fits: whether a value is of this kind
    """

    def __init__(self, what: str, fits: Callable[[Any], bool]) -> None:
        self._what = what
        self._fits = fits

    def __eq__(self, other: object) -> bool:
        return self._fits(other)

    def __hash__(self) -> int:
        return hash(self._what)

    def __repr__(self) -> str:
        return self._what


#: the description of a job, as its API has it
DOCUMENT = Like("a document", lambda value: isinstance(value, dict | list) and bool(value))
GZIPPED = Like("a gzip file", lambda value: isinstance(value, str) and value.startswith("\x1f\x8b"))
ZIPPED = Like("a ZIP file", lambda value: isinstance(value, str) and value.startswith("PK"))


@dataclass(frozen=True)
class Row:
    """
    One description and its API.

    :param profile: name of the description
    :param api: name of the simulated API
    :param result: what a good job hands out: a JSON value, the text of a file, names and texts of files, or a
        list of the latter
    :param ends: how the API's other outcomes have to be read: a state, and a part of the message or the word
    :param json: body of the start
    :param options: ``profile_options`` of the task
    :param arguments: other arguments of the task: ``endpoint``, ``method``, ``data``, ``params``
    :param cancelled: what a cancelled job is then; None: the API cannot cancel
    :param polls_before_cancel: when it is cancelled
    :param many: the result consists of several files
    :param label: what it is called in the ids of tests, the profile's name by default
    """

    profile: str
    api: str
    result: Any
    ends: Mapping[str, tuple[JobState, str]]
    json: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    cancelled: JobState | None = CANCELLED
    polls_before_cancel: int = 1
    many: bool = False
    label: str = ""

    @property
    def id(self) -> str:
        """The row's name in the ids of tests and in the docs."""
        return self.label or self.profile


def each(rows: list[Row]) -> pytest.MarkDecorator:
    """Run a test for each row."""
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.id)


def each_end(rows: list[Row]) -> pytest.MarkDecorator:
    """Run a test for each outcome but the good one of each row."""
    ends = [(row, outcome) for row in rows for outcome in row.ends]
    return pytest.mark.parametrize(
        ("row", "outcome"), ends, ids=[f"{row.id}-{outcome}" for row, outcome in ends]
    )


class Journey:
    """
    The way of one job through the hook.

    :param row: what the task gives
    :param outcome: how the simulated job ends; empty: well
    """

    def __init__(self, row: Row, simulator: RealApisSimulator, outcome: str = "") -> None:
        self.row = row
        self.simulator = simulator
        self.hook = HttpAsyncJobHook(CONN_ID)
        self.protocol = profile_of(row.profile, row.options)
        simulator.script(row.api, outcome)
        arguments = {"method": None, "endpoint": None, "json": row.json, **row.arguments}
        method, endpoint = arguments.pop("method"), arguments.pop("endpoint")
        submitted = self.hook.submit(self.protocol, method, endpoint, **arguments)
        self.handle = JobHandle.from_dict(json.loads(json.dumps(submitted.handle.to_dict())))
        self.seen: list[JobStatus] = [submitted.status] if submitted.status else []

    def poll(self) -> JobStatus:
        """One status."""
        status = self.hook.status(self.handle)
        self.seen.append(status)
        if status.status_url:
            self.handle = replace(self.handle, status_url=status.status_url)
        assert status.recognised, f"unknown words: {status.unknown_words}"
        return status

    def end(self) -> JobStatus:
        """The last status, and the states before it were all "running"."""
        for _ in range(MAX_POLLS):
            if self.seen and self.seen[-1].state.ended:
                break
            self.poll()
        *before, last = self.seen
        assert before, "the job ended with its first answer"
        assert {status.state for status in before} == {JobState.RUNNING}
        return last

    def result(self, status: JobStatus) -> Any:
        """What is handed out: a value, the text of a file, or the texts of several by their names."""
        assert status.state is SUCCEEDED, status
        found = self.hook.result(self.handle, status)
        if found is None or (status.no_data and not found.files):
            return None
        if found.files:
            files = {file.name or _last(file.url): self._fetched(file) for file in found.files}
            return files if isinstance(self.row.result, dict) else list(files.values())
        if found.url is None:
            return found.value
        return self._fetched(found)

    def _fetched(self, result: Result) -> Any:
        pages = [self._page(result)]
        rest = list(result.pages)
        while result.paged:
            following = rest.pop(0) if result.pages and rest else None
            if not result.pages:
                following = self.protocol.next_page(self.handle, pages[-1])
            if following is None:
                break
            pages.append(self._page(following))
        if result.unpack == "gzip":
            return gzip.decompress(pages[0].body).decode()
        if result.checksum is not None:
            digest = hashlib.sha256(pages[0].body).hexdigest()
            assert result.checksum.rpartition(":")[2] == digest
        if result.items:
            return [row for page in pages for row in json.loads(page.body)[result.items]]
        texts = [page.body.decode("latin-1") for page in pages]
        if result.repeats_header:
            texts[1:] = [text.partition("\n")[2] for text in texts[1:]]
        return "".join(texts)

    def _page(self, result: Result) -> Any:
        assert result.url is not None
        answer = fetch(self.hook, result)
        assert answer.status == 200, (answer.status, answer.body)
        return answer


def fetch(hook: HttpAsyncJobHook, result: Result) -> Any:
    """A file of a result, with credentials or without as the result says."""
    import requests

    url = hook.endpoint.resolve(result.url) if result.url else ""
    headers = dict(result.headers)
    if result.authorized:
        headers |= hook.credentials_for(url)
    with requests.Session() as session:
        session.trust_env = False
        prepared = requests.Request("GET", url, headers=headers).prepare()
        prepared.url = url  # as it is: requests would encode some of a signature anew
        answer = session.send(prepared, timeout=10, allow_redirects=False)
        if answer.is_redirect:  # to storage, which refuses credentials
            answer = session.get(answer.headers["Location"], timeout=10)
    from airflow_async_provider.protocols import Headers
    from airflow_async_provider.protocols._http_messages import HttpResponse

    return HttpResponse(answer.status_code, Headers(answer.headers), answer.content, 0.0, url)


def _last(url: str | None) -> str:
    return unquote((url or "").partition("?")[0].rpartition("/")[2])


# -- what a row has to do


def succeeds(row: Row, simulator: RealApisSimulator) -> None:
    """A good job runs for a while and hands out its result; one job is started."""
    before = simulator.journal.jobs_started
    journey = Journey(row, simulator)
    found = journey.result(journey.end())
    assert found == row.result, found
    assert simulator.journal.jobs_started == before + 1


def ends_otherwise(row: Row, outcome: str, simulator: RealApisSimulator) -> None:
    """Another outcome is read as what it is."""
    last = Journey(row, simulator, outcome).end()
    state, text = row.ends[outcome]
    assert last.state is state, last
    assert text in f"{last.remote_status} {last.message}", last


def is_cancelled(row: Row, simulator: RealApisSimulator) -> None:
    """A running job is cancelled, and its monitor says so; where the API cannot, the hook says that."""
    journey = Journey(row, simulator)
    for _ in range(row.polls_before_cancel):
        assert journey.poll().state is JobState.RUNNING
    cancellation = journey.hook.cancel(journey.handle)
    job = simulator.job(row.api)
    if row.cancelled is None:
        assert not cancellation
        assert not job.stopped
        return
    assert cancellation, str(cancellation)
    assert job.stopped, job.to_dict()
    last = journey.end()
    assert last.state is row.cancelled, last


# -- fixtures and small parts


@pytest.fixture(scope="module")
def simulator() -> Any:
    """The simulator of real APIs."""
    with running(RealApisSimulator(polls=POLLS, retry_after=None)) as served:
        yield served


@pytest.fixture
def connected(row: Row, simulator: RealApisSimulator, monkeypatch: pytest.MonkeyPatch) -> RealApisSimulator:
    """The simulator, with an Airflow connection to the API of the row."""
    simulator.reset()
    connection = simulator.airflow_connection(row.api)
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(connection))
    return simulator
