# SPDX-License-Identifier: Apache-2.0
"""
What a remote API is to the rest of the package: six small functions, no I/O.

A protocol never opens a socket and never reads a clock or a connection. It turns intentions into
:class:`HttpRequest` and :class:`HttpResponse` into :class:`JobHandle` and :class:`JobStatus`. The worker
(requests) and the triggerer (aiohttp) drive the same protocol object, so they share every line that can be
wrong about a vendor, and a vendor's test vectors run without a network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider.errors import RequestRefusedError
from airflow_async_provider.protocols._http_messages import Headers, HttpRequest, HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Result, Submitted
from airflow_async_provider.protocols._responses import raise_for_answer


class JobProtocol(ABC):
    """
    The wire format of one remote API.

    Subclasses add ``submit(...) -> HttpRequest`` with arguments of their own.
    Instances are immutable and built from JSON-able keyword arguments (``options`` of the handle).
    """

    name: ClassVar[str]
    #: False where the only news of a job is its callback
    pollable: ClassVar[bool] = True
    #: True where a function of the DAG asks, which only a worker can call
    asked_by_worker: bool = False

    @property
    def polling(self) -> Mapping[str, float]:
        """How often to poll: any of ``poll_interval``, ``backoff``, ``max_poll_interval`` of a wait."""
        return {}

    @property
    def result_once(self) -> bool:
        """Whether the monitor gives its last answer, with the result in it, once only."""
        return False

    def options(self) -> dict[str, Any]:
        """Constructor arguments that rebuild this protocol elsewhere; go into the handle."""
        return {}

    @abstractmethod
    def read_submit(self, response: HttpResponse) -> Submitted:
        """
        Read the answer to a submission.

        :raises SubmitError: the remote refused
        :raises UnreadableAnswerError: accepted, but the answer names no job
        """

    def read_next(self, submitted: Submitted, response: HttpResponse) -> Submitted:
        """
        Read the answer to :attr:`Submitted.next`, a later request of a start in several steps.

        :raises RemoteError: the step failed; the job that the first step made is still there
        """
        raise NotImplementedError

    @abstractmethod
    def status(self, handle: JobHandle) -> HttpRequest:
        """The request that asks for the job's state."""

    @abstractmethod
    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """
        Read the answer to :meth:`status`.

        :raises RemoteError: the answer says nothing about the job (see the tree in ``errors``)
        """

    def result_request(self, handle: JobHandle, status: JobStatus) -> HttpRequest | None:
        """The request for a document that says where the result is, None where none is needed."""
        return status.result_request

    def read_result(self, handle: JobHandle, response: HttpResponse) -> Result:
        """
        Read the answer to :meth:`result_request`, or to ``Result.more`` of the answer before.

        :raises RemoteError: it does not say where the result is
        """
        raise NotImplementedError

    def next_page(self, handle: JobHandle, response: HttpResponse) -> Result | None:
        """
        The page after the one that came with this answer, None when it was the last.

        :param response: headers and ``url`` of the page; its body, too, where :attr:`page_needs_body`
        """
        return None

    @property
    def page_needs_body(self) -> bool:
        """Whether :meth:`next_page` reads the body of a page."""
        return True

    def cancel(self, handle: JobHandle) -> HttpRequest | None:
        """The request that cancels the job, None where the remote has no such thing."""
        return None

    def read_cancel(self, handle: JobHandle, response: HttpResponse) -> bool:
        """
        Whether the remote accepted the cancellation (False: a plain 4xx, as the job had ended already).

        :raises RemoteError: the answer says nothing about it (429, 5xx, bad credentials)
        """
        try:
            raise_for_answer(response, job=f"job {handle.shown_id}", doing="cancelling")
        except RequestRefusedError:
            return False
        return True

    def cancel_more(self, handle: JobHandle, response: HttpResponse) -> tuple[HttpRequest, ...] | None:
        """
        Where cancelling takes a look first: the requests that the answer to :meth:`cancel` leads to.

        None where that answer is the one to the cancellation itself.
        """
        return None

    def delete(self, handle: JobHandle) -> HttpRequest | None:
        """The request that removes an ended job once its result is safe, None where there is none."""
        return None

    def find(self, correlation_id: str) -> HttpRequest | None:
        """The request that looks for a job by our correlation id, None where the remote has no such thing."""
        return None

    def read_find(self, correlation_id: str, response: HttpResponse) -> JobHandle | None:
        """The job found by :meth:`find`, None when there is none."""
        raise NotImplementedError

    def read_callback(self, headers: Headers, body: bytes) -> JobStatus:
        """
        Read a callback that has proved authentic.

        :raises CallbackError: it cannot be understood
        """
        raise NotImplementedError
