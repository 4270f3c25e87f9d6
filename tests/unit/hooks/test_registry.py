# SPDX-License-Identifier: Apache-2.0
"""The hook for a job, by the protocol in its handle."""

from __future__ import annotations

import pytest

from airflow_async_provider.hooks._registry import hook_for
from airflow_async_provider.hooks.automic import AutomicHook
from airflow_async_provider.hooks.http_async import HttpAsyncJobHook
from airflow_async_provider.hooks.jaggaer_aso import JaggaerAsoHook
from airflow_async_provider.hooks.open_connectors import OpenConnectorsHook
from airflow_async_provider.protocols import JobHandle

HOOKS = {
    "automic": AutomicHook,
    "jaggaer_aso": JaggaerAsoHook,
    "open_connectors": OpenConnectorsHook,
    "open_connectors_bulk": OpenConnectorsHook,
    "open_connectors_queue": OpenConnectorsHook,
    "http_location": HttpAsyncJobHook,
    "my_company.protocols.Exports": HttpAsyncJobHook,
}


@pytest.mark.parametrize("protocol", HOOKS)
def test_every_protocol_has_its_hook(protocol: str) -> None:
    handle = JobHandle(protocol, "7", 0.0)
    assert type(hook_for(handle, "c")) is HOOKS[protocol]
    assert type(hook_for(handle.to_dict(), "c")) is HOOKS[protocol]
    assert hook_for(handle, "c").conn_id == "c"
