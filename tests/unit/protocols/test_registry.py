# SPDX-License-Identifier: Apache-2.0
"""Protocols by their names."""

from __future__ import annotations

import pytest

from airflow_async_provider.errors import ConfigurationError
from airflow_async_provider.protocols import JobHandle, JobProtocol
from airflow_async_provider.protocols._registry import PROTOCOLS, protocol_class, protocol_for, protocol_of


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_name_leads_to_a_class_of_that_name(name: str) -> None:
    assert issubclass(protocol_class(name), JobProtocol)
    assert protocol_class(name).name == name


@pytest.mark.parametrize("name", ["", ".", "nonsense", "json.loads", "no.such.Module"])
def test_what_is_no_protocol(name: str) -> None:
    with pytest.raises(ConfigurationError):
        protocol_class(name)


def test_options_are_those_of_the_handle() -> None:
    handle = JobHandle("automic", "7", 0.0, options={"client": "0100"})
    assert protocol_of(handle).options()["client"] == "0100"
    with pytest.raises(ConfigurationError, match="options"):
        protocol_for("automic", {"nonsense": 1})
