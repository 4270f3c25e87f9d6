# SPDX-License-Identifier: Apache-2.0
"""
Google's long-running operations.

Source: Google, AIP-151 "Long-running operations". The answer is an Operation ``{name, metadata, done,
error | response}``: while ``done`` is false there is neither error nor response, afterwards exactly one of
them. ``error`` is a ``google.rpc.Status {code, message, details}``; code 1 is "cancelled". What goes wrong
before the operation starts is an ordinary error answer. ``GET v1/{name}`` asks, ``POST v1/{name}:cancel``
cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider.protocols._http.profile import HttpProfile


class GoogleProtocol(HttpProfile):
    """Operations after AIP-151."""

    name: ClassVar[str] = "http_google"
    takes_see_other: ClassVar[bool] = False
    base: ClassVar[Mapping[str, Any]] = {
        "start": {"id": "name"},
        "poll": {"path": "v1/{+job_id}"},
        "outcome": {
            "state": "done",
            "missing": "running",  # proto3's JSON leaves a false out
            "unknown": "error",
            "redirect": "error",
            "error": "error",
            "cancelled_if": [["done==true", "error.code==1"]],
        },
        "result": {"value": "response", "optional": True},
        "cancel": {"path": "{status_url}:cancel"},
    }
