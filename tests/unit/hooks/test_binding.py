# SPDX-License-Identifier: Apache-2.0
"""Whose job it is: every change of a connection that leads to other jobs is seen, and no other one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_async_provider.errors import JobElsewhereError
from airflow_async_provider.hooks._base import AsyncApiHook
from airflow_async_provider.hooks._binding import check_bound
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.hooks.open_connectors import OpenConnectorsHook
from airflow_async_provider.protocols import JobHandle

HTTP = {"host": "https://a.example/one", "login": "u", "password": "p", "extra": {"X-Tenant": "1"}}
ASO = {
    "host": "https://a.example",
    "login": "id",
    "password": "p",
    "extra": {"token_url": "https://t.example"},
}
AUTOMIC = {"host": "https://a.example", "login": "100/U/D", "password": "p", "extra": {}}
SAP = {"host": "a.example", "extra": {"user_secret": "u", "element_token": "e"}}


def origin(hook: type[AsyncApiHook], fields: dict[str, Any], **changed: Any) -> str:
    fields = {**fields, **changed}
    extra = json.dumps({**fields.pop("extra"), **fields.pop("more", {})})
    conn = Connection(conn_id="c", conn_type=hook.conn_type, extra=extra, **fields)
    return hook.origin_of(hook.endpoint_from(conn))


@pytest.mark.parametrize(
    ("hook", "fields", "changed"),
    [
        (HttpAsyncJobHook, HTTP, {"host": "https://b.example/one"}),
        (HttpAsyncJobHook, HTTP, {"host": "http://a.example/one"}),
        (HttpAsyncJobHook, HTTP, {"host": "https://a.example/two"}),
        (HttpAsyncJobHook, HTTP, {"port": 8443}),
        (HttpAsyncJobHook, HTTP, {"login": "another"}),
        (HttpAsyncJobHook, HTTP, {"login": ""}),
        (HttpAsyncJobHook, HTTP, {"more": {"X-Tenant": "2"}}),
        (HttpAsyncJobHook, HTTP, {"more": {"Account": "2"}}),
        # What a message shortens is compared whole.
        (HttpAsyncJobHook, {**HTTP, "host": "https://a.example/abcd1234567890"}, {"host": "https://a.example/abcd12345678xx"}),
        (JaggaerAsoHook, ASO, {"login": "another"}),
        (AutomicHook, AUTOMIC, {"login": "200/U/D"}),
        (AutomicHook, AUTOMIC, {"host": "https://a.example/other"}),
        (OpenConnectorsHook, SAP, {"more": {"element_token": "f"}}),
        (OpenConnectorsHook, SAP, {"host": "a.example/other/base"}),
    ],
)  # fmt: skip
def test_what_leads_to_other_jobs(hook: type[AsyncApiHook], fields: Any, changed: Any) -> None:
    assert origin(hook, fields, **changed) != origin(hook, fields)


@pytest.mark.parametrize(
    ("hook", "fields", "changed"),
    [
        (HttpAsyncJobHook, HTTP, {"host": "https://A.example:443/one/"}),
        (HttpAsyncJobHook, HTTP, {"password": "new"}),
        (
            HttpAsyncJobHook,
            HTTP,
            {
                "more": {
                    "X-API-Key": "k",
                    "Authorization": "t",
                    "Accept": "a/b",
                    "timeout": 5,
                    "verify": False,
                }
            },
        ),
        (JaggaerAsoHook, ASO, {"password": "new", "more": {"api_key": "new"}}),
        (AutomicHook, AUTOMIC, {"login": "100/ANOTHER/D"}),
        (AutomicHook, AUTOMIC, {"login": "0100/U/D"}),
        (AutomicHook, AUTOMIC, {"login": "U/D", "more": {"client": "0100"}}),
        (OpenConnectorsHook, SAP, {"more": {"user_secret": "new"}}),
    ],
)
def test_what_does_not(hook: type[AsyncApiHook], fields: Any, changed: Any) -> None:
    assert origin(hook, fields, **changed) == origin(hook, fields)


def test_it_says_no_secret_and_no_login() -> None:
    told = origin(HttpAsyncJobHook, HTTP, login="canary", more={"X-Tenant": "canary"})
    assert "canary" not in told
    assert told.startswith("https://a.example/one account ")
    assert origin(HttpAsyncJobHook, {"host": "http://a.example", "extra": {}}) == "http://a.example"


def test_a_handle_that_belongs_elsewhere_is_refused_with_what_to_do() -> None:
    handle = JobHandle("http_location", "7", 0.0, conn_id="old", origin="https://a.example")
    check_bound(handle, conn_id="new", here="https://a.example")
    with pytest.raises(JobElsewhereError, match=r"job 7 .*connection 'old'.*Set the connection back") as e:
        check_bound(handle, conn_id="new", here="https://a.example/two")
    assert e.value.job == "7"
