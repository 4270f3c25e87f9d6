# SPDX-License-Identifier: Apache-2.0
"""
Azure's long-running operations, for the services and for the Resource Manager.

Sources: Microsoft, "Azure REST API Guidelines" (``Operation-Location``: a monitor that always answers 200
with ``status``) and "Resource Manager RPC: async API reference" (``Azure-AsyncOperation``; or ``Location``
alone, which answers 202 while the job goes on and then with exactly the final answer, 4xx included; or
neither:
then the resource itself shows it in ``properties.provisioningState``). Succeeded, Failed and Canceled are
final,
any other word means that the job goes on. A 4xx or 5xx from a status monitor is a failure to read it, not
one of
the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Final

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import _json_path as json_path
from airflow_async_provider.protocols._http.monitor import MonitorReader
from airflow_async_provider.protocols._http.places import Answer
from airflow_async_provider.protocols._http.profile import HttpProfile
from airflow_async_provider.protocols._http.results import Found
from airflow_async_provider.protocols._http.start import Start
from airflow_async_provider.protocols._http.urls import absolute
from airflow_async_provider.protocols._http.values import id_text
from airflow_async_provider.protocols._http_messages import HttpResponse
from airflow_async_provider.protocols._job import JobHandle, JobStatus, Result, Submitted

MONITOR_HEADERS: Final = ("Operation-Location", "Azure-AsyncOperation")
_VIA: Final = ("monitor", "location", "original-uri")


class AzureProtocol(HttpProfile):
    """
    ``Operation-Location``, ``Azure-AsyncOperation``, ``Location`` alone, or the resource itself.

    :param final_state_via: where the result of a succeeded job is: ``"monitor"`` (its last answer),
        ``"location"`` (the ``Location`` of the first answer) or ``"original-uri"`` (the resource that was
        created or changed). Default None: ``result`` of the monitor, else its ``resourceLocation``, else
        ``Location`` of the first answer, else ``properties`` of the monitor, else all of it
    """

    name: ClassVar[str] = "http_azure"
    takes_see_other: ClassVar[bool] = False
    own_options: ClassVar[tuple[str, ...]] = ("final_state_via",)
    base: ClassVar[Mapping[str, Any]] = {
        "start": {"status_url": [f"header:{name}" for name in (*MONITOR_HEADERS, "Location")]},
        "outcome": {"state": "status", "unknown": "running", "redirect": "error"},
    }

    def __init__(self, *, final_state_via: str | None = None, **options: Any) -> None:
        if final_state_via not in (None, *_VIA):
            raise ConfigurationError(
                f"final_state_via is monitor, location or original-uri, not {final_state_via!r}."
            )
        self.final_state_via = final_state_via
        super().__init__(**options)

    @cached_property
    def _of_location(self) -> HttpProfile:
        """``Location`` alone: its last answer is the result, and its 4xx the job's failure."""
        return _Location(**self._options)

    @cached_property
    def _of_resource(self) -> HttpProfile:
        """Neither header: the resource itself."""
        return _Resource(**self._options)

    def options(self) -> dict[str, Any]:
        """The options that rebuild this profile."""
        via = {} if self.final_state_via is None else {"final_state_via": self.final_state_via}
        return {**super().options(), **via}

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and getattr(other, "final_state_via", None) == self.final_state_via

    __hash__ = HttpProfile.__hash__

    def read_accepted(self, answer: Answer) -> Submitted:
        """The monitor of the headers, else the resource that is still being made, else the result."""
        response = answer.response
        start = Start(self)
        monitor = next((h for h in MONITOR_HEADERS if response.headers.get(h)), None)
        location = response.headers.get("Location", "")
        if monitor is not None:
            url = absolute(response.headers[monitor], response, job="the job", what=monitor)
            document = answer.document if isinstance(answer.document, dict) else {}
            job_id = id_text(document.get("id")) if response.status == 202 else None
            data = self._final(answer, location)
            return Submitted(start.handle(answer, url, job_id=job_id, data=data))
        if location and response.status in (201, 202):
            url = absolute(location, response, job="the job", what="Location")
            return Submitted(start.handle(answer, url, data={"monitor": "location"}))
        state = json_path.read(answer.document, "properties.provisioningState")
        if isinstance(state, str) and response.url and response.status != 202:
            handle = start.handle(answer, response.url, data={"monitor": "resource"})
            status = MonitorReader(self._of_resource, handle).of(answer, first=True)
            return Submitted(handle, status if status.state.ended else None)
        return start.accepted(answer)

    def _final(self, answer: Answer, location: str) -> dict[str, Any]:
        response, via = answer.response, self.final_state_via
        # A PUT or PATCH of the Resource Manager answers with the resource, and ends with a GET of it.
        made = (
            response.status == 201 or json_path.read(answer.document, "properties") is not json_path.MISSING
        )
        of_resource = made and bool(response.headers.get("Azure-AsyncOperation"))
        if response.url and (via == "original-uri" or (via is None and of_resource)):
            return {"final_url": response.url}
        if location and via != "monitor":
            return {"final_url": absolute(location, response, job="the job", what="Location")}
        return {}

    def max_body_bytes(self, handle: JobHandle) -> int | None:
        """Of a ``Location`` alone, the last answer is the result."""
        if handle.data.get("monitor") == "location":
            return self._of_location.max_body_bytes(handle)
        return super().max_body_bytes(handle)

    def read_status(self, handle: JobHandle, response: HttpResponse) -> JobStatus:
        """Read the status document, or, of a ``Location``, the final answer, or the resource."""
        kind = handle.data.get("monitor")
        if kind == "location":
            return MonitorReader(self._of_location, handle).read(response)
        if kind == "resource":
            return MonitorReader(self._of_resource, handle).read(response)
        return super().read_status(handle, response)

    def moved_header(self, response: HttpResponse) -> str | None:
        """Either header of a status document may name another one."""
        return next((v for h in MONITOR_HEADERS if (v := response.headers.get(h))), None)

    def find_result(
        self,
        handle: JobHandle,
        answer: Answer,
        *,
        job: str,
        is_status: bool,
        again: bool,
        whole: bool = False,
    ) -> Found:
        """
        The result after the rules of both pages, unless the description or ``final_state_via`` says
        where.
        """
        spec, via = self.description.result, self.final_state_via
        document = answer.document
        if spec.named or spec.again or whole or via == "monitor" or not isinstance(document, dict):
            found = super().find_result(
                handle, answer, job=job, is_status=is_status, again=again, whole=whole
            )
            result = found.result
            return replace(found, result=replace(result, is_status=False)) if via and result else found
        resource, inline = document.get("resourceLocation"), document.get("result")
        final = handle.data.get("final_url")
        if via is None and inline is not None:
            return Found(Result(value=inline))
        if via is None and isinstance(resource, str) and resource:
            final = resource
        if isinstance(final, str) and final:
            url = absolute(final, answer.response, job=job, what="URL of the result")
            return Found(Result(url=url, authorized=self.may_have_credentials(url, answer.response)))
        if "properties" in document:
            return Found(Result(value=document["properties"]))
        return super().find_result(handle, answer, job=job, is_status=is_status, again=again)


class _Location(HttpProfile):
    name: ClassVar[str] = AzureProtocol.name
    base: ClassVar[Mapping[str, Any]] = {
        "start": {"status_url": "header:Location"},
        "outcome": {"http": {"4xx": "failed"}, "unknown": "running", "redirect": "error"},
    }


class _Resource(HttpProfile):
    name: ClassVar[str] = AzureProtocol.name
    base: ClassVar[Mapping[str, Any]] = {
        "outcome": {"state": "properties.provisioningState", "unknown": "running", "redirect": "error"},
        "result": {"value": "$"},
    }
