# SPDX-License-Identifier: Apache-2.0
"""
The plainest convention: 202 with ``Location``, then the monitor answers 202 until it answers otherwise.

RFC 9110 leaves most of it open (§15.3.3: 202 is "intentionally noncommittal"), so this is its common
reading: ``Location`` of the 202 (or 201) is the monitor and may be relative (§10.2.2); ``Retry-After`` is
seconds or a date (§10.2.3); 202 from the monitor means that the job goes on; 200, 201 or 204 is the result,
unless it says itself that the job still runs; 303 (and, as Azure's "asynchronous request-reply" pattern has
it, 302) leads to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider.protocols._http.profile import HttpProfile


class LocationProtocol(HttpProfile):
    """202 and ``Location``."""

    name: ClassVar[str] = "http_location"
    base: ClassVar[Mapping[str, Any]] = {"start": {"status_url": "header:Location"}}
