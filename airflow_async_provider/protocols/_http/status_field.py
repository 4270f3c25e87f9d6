# SPDX-License-Identifier: Apache-2.0
"""
The convention that most vendors make up for themselves: a JSON document with a status word.

Everything about it is an option: where the monitor is (a URL in the answer, ``Location``, or an id and a
path), which field holds the word, what the words mean, where the result's URL is and how long it is good.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider.protocols._http.profile import HttpProfile


class StatusFieldProtocol(HttpProfile):
    """A status word in a JSON document."""

    name: ClassVar[str] = "http_status_field"
    takes_see_other: ClassVar[bool] = False
    base: ClassVar[Mapping[str, Any]] = {
        "start": {"id": "id", "status_url": ["statusUrl", "header:Location"]},
        "outcome": {"state": "status"},
    }
