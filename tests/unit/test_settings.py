# SPDX-License-Identifier: Apache-2.0
"""Options of the configuration, with their defaults and bounds."""

from __future__ import annotations

import pytest

from airflow_async_provider import _settings


def test_defaults_are_those_of_the_documentation() -> None:
    assert _settings.settle_seconds() == 10.0
    assert _settings.callback_max_bytes() == 16 * 1024 * 1024
    assert _settings.callback_base_url() is None
    assert _settings.callback_protocols() == frozenset()


def test_what_makes_no_sense_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__SETTLE_SECONDS", "-1")
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_MAX_BYTES", "0")
    assert _settings.settle_seconds() == 0.0
    assert _settings.callback_max_bytes() == 1


def test_a_list_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_PROTOCOLS", " a.B , ,c.D")
    assert _settings.callback_protocols() == {"a.B", "c.D"}
