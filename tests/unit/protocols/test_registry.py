# SPDX-License-Identifier: Apache-2.0
"""Protocols by their names."""

from __future__ import annotations

import sys
from pathlib import Path

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


def test_nothing_is_imported_because_a_handle_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "named_in_a_handle.py").write_text(
        "from airflow_async_provider.protocols._jaggaer_aso import JaggaerAsoProtocol\n"
        "class Own(JaggaerAsoProtocol):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    handle = JobHandle("named_in_a_handle.Own", "7", 0.0)
    with pytest.raises(ConfigurationError, match=r"job handle 7 .*import the class in the DAG file"):
        protocol_of(handle)
    assert "named_in_a_handle" not in sys.modules
    protocol_class(handle.protocol)  # as an operator's profile
    try:
        assert type(protocol_of(handle)).__name__ == "Own"
    finally:
        del sys.modules["named_in_a_handle"]
