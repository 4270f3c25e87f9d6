# SPDX-License-Identifier: Apache-2.0
"""One job by a description, from a terminal: each request, each answer, and how it was read."""

from __future__ import annotations

import json
import os
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_async_provider._cli.jobs import echo
from airflow_async_provider._urls import shown
from airflow_async_provider.errors import AsyncJobError, ConfigurationError
from airflow_async_provider.hooks._descriptions import profile_of
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.protocols._base import JobProtocol
from airflow_async_provider.protocols._http_messages import HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobState, JobStatus, Result
from airflow_async_provider.protocols._redaction import excerpt, one_line

#: exit codes: the job succeeded, ended otherwise, could not be understood or reached, still runs
SUCCEEDED, ENDED_OTHERWISE, NOT_RECOGNISED, STILL_RUNNING = 0, 1, 2, 3

#: seconds between two polls where neither the description nor the caller says so
DEFAULT_PAUSE = 2.0

#: headers of answers that descriptions read, and those of them that are addresses
SHOWN = ("Content-Type", "Retry-After", "X-Progress", "AsyncResult")
ADDRESSES = ("Location", "Content-Location", "Operation-Location", "Azure-AsyncOperation", "Link")

#: connection that ``--connection`` defines for this process
OWN_CONN_ID = "async_provider_try"


class TracedHook(HttpAsyncJobHook):
    """
    The generic hook, which prints every exchange; no credentials, no queries of addresses.

    :param length: characters of each body
    """

    def __init__(self, conn_id: str, *, length: int) -> None:
        super().__init__(conn_id)
        self._length = length

    def call(self, request: HttpRequest) -> HttpResponse:
        """Send one request and print it with its response."""
        names = ", ".join(request.params or ())
        query = f"  (query: {names})" if names else ""
        echo(f"> {request.method} {shown(self.endpoint.resolve(request.url))}{query}")
        body = json.dumps(request.json) if request.json is not None else request.body
        if body:
            echo(f">   {excerpt(body, self._length)}")
        response = super().call(request)
        echo(f"< HTTP {response.status}{_headers(response)}")
        if response.body:
            echo(f"<   {excerpt(response.body, self._length)}")
        return response


def _headers(response: HttpResponse) -> str:
    shown_headers = [f"{name}: {one_line(v, 120)}" for name in SHOWN if (v := response.headers.get(name))]
    shown_headers += [f"{name}: {shown(v)}" for name in ADDRESSES if (v := response.headers.get(name))]
    return "".join(f", {text}" for text in shown_headers)


def run_try(arguments: Namespace) -> int:
    """
    Run one job and write everything to the standard output.

    :param arguments: of the command line
    :return: the exit code
    """
    conn_id = arguments.conn_id
    if arguments.connection:
        conn_id = OWN_CONN_ID
        os.environ[f"AIRFLOW_CONN_{OWN_CONN_ID.upper()}"] = arguments.connection
    hook = TracedHook(conn_id, length=arguments.excerpt)
    try:
        protocol = profile_of(_profile(arguments.profile), dict(arguments.option))
        return _Attempt(hook, protocol, arguments).run()
    except AsyncJobError as e:
        echo(f"= error: {e}")
        return NOT_RECOGNISED


def _profile(text: str) -> str | Mapping[str, Any]:
    if not text.lstrip().startswith("{"):
        return text
    try:
        found = json.loads(text)
    except ValueError as e:
        raise ConfigurationError(f"The description is not JSON: {e}.") from None
    return dict(found)


class _Attempt:
    """One run of ``try``."""

    def __init__(self, hook: TracedHook, protocol: JobProtocol, arguments: Namespace) -> None:
        self.hook = hook
        self.protocol = protocol
        self.arguments = arguments
        self.polls = 0

    def run(self) -> int:
        """Start, poll to the end, and say where the result is."""
        given = self.arguments
        start = {
            "json": given.json,
            "body": given.data,
            "params": dict(given.param) or None,
            "headers": dict(given.header) or None,
        }
        start = {name: value for name, value in start.items() if value is not None}
        submitted = self.hook.submit(self.protocol, given.method, given.endpoint, **start)
        handle = submitted.handle
        where = f", asked at {self._shown(handle.status_url)}" if handle.status_url else ""
        echo(f"= job {one_line(handle.shown_id)}{where}")
        if submitted.status is not None:
            echo(read_as(submitted.status))
        try:
            return self._watch(handle, submitted.status)
        except KeyboardInterrupt:
            echo("= interrupted; the job goes on at the remote")
            return STILL_RUNNING

    def _watch(self, handle: JobHandle, status: JobStatus | None) -> int:
        end = time.monotonic() + self.arguments.timeout
        while status is None or not status.state.ended:
            if self.polls == self.arguments.cancel_after:
                cancellation = self.hook.cancel(handle)
                echo(f"= cancellation {'accepted' if cancellation else 'refused'}: {cancellation}")
            if time.monotonic() >= end:
                echo(f"= still running after {self.arguments.timeout:g} seconds; it goes on at the remote")
                return STILL_RUNNING
            self._pause(status)
            status = self.hook.status(handle)
            self.polls += 1
            echo(read_as(status))
            if status.status_url:
                handle = replace(handle, status_url=status.status_url)
                echo(f"= asked from now on at {self._shown(status.status_url)}")
        if status.state is not JobState.SUCCEEDED:
            return ENDED_OTHERWISE
        echo(f"= result: {described(self.hook.result(handle, status), no_data=status.no_data)}")
        return SUCCEEDED

    def _shown(self, url: str) -> str:
        return shown(self.hook.endpoint.resolve(url))

    def _pause(self, status: JobStatus | None) -> None:
        pause = self.arguments.pause
        if pause is None:
            pause = self.protocol.polling.get("poll_interval", DEFAULT_PAUSE)
        if status is not None and status.retry_after is not None:
            pause = status.retry_after
        time.sleep(min(pause, self.arguments.timeout))


def read_as(status: JobStatus) -> str:
    """How an answer was read: ``= running (IN_PROGRESS), 40 % done``."""
    text = f"= {status.state.value}"
    if status.remote_status:
        text += f" ({one_line(status.remote_status)})"
    if status.progress is not None:
        text += f", {status.progress:.0%} done"
    if status.retry_after is not None:
        text += f", asked again in {status.retry_after:g} seconds"
    if status.message:
        text += f": {excerpt(status.message)}"
    return text


def described(result: Result | None, *, no_data: bool) -> str:
    """Where a result is, without what is secret in its address."""
    if result is None or (no_data and not result.files and result.url is None):
        return "none"
    if result.files:
        return f"{len(result.files)} files" + "".join(f"\n=   {_file(file)}" for file in result.files)
    if result.url is None:
        return f"in the answer: {excerpt(json.dumps(result.value, default=str))}"
    return _file(result)


def _file(result: Result) -> str:
    name = f"{one_line(result.name)}: " if result.name else ""
    how = "with" if result.authorized else "without"
    pages = ", the first page of several" if result.paged else ""
    unpack = f", unpacked as {result.unpack}" if result.unpack else ""
    return f"{name}{shown(result.url or '')} {how} credentials{pages}{unpack}"
