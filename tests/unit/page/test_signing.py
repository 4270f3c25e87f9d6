# SPDX-License-Identifier: Apache-2.0
"""Reports of triggerers are told from what anybody may send."""

from __future__ import annotations

import pytest

from airflow_async_provider._callbacks.address import proof_keys
from airflow_async_provider._page.signing import is_signed, report_keys, signature_of


def test_a_signature_holds_for_one_body_and_one_key() -> None:
    signature = signature_of(b"key", b"body")
    assert is_signed([b"another", b"key"], b"body", signature)
    assert not is_signed([b"key"], b"body ", signature)
    assert not is_signed([b"another"], b"body", signature)
    for nothing in ("", "ä", signature[:-1]):
        assert not is_signed([b"key"], b"body", nothing)
    assert not is_signed([], b"body", signature)


def test_keys_are_those_of_callbacks_for_another_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_KEY", "new, old")
    assert len(report_keys()) == 2
    assert not set(report_keys()) & set(proof_keys())
    monkeypatch.setenv("AIRFLOW__ASYNC_PROVIDER__CALLBACK_KEY", "")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")
    assert report_keys() == []
