# SPDX-License-Identifier: Apache-2.0
"""What a simulator remembers of its requests."""

from __future__ import annotations

import pytest

from airflow_async_provider.simulators import _journal as journal_module
from airflow_async_provider.simulators._journal import Entry, Journal


def test_the_journal_forgets_old_entries_but_not_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "KEPT_ENTRIES", 3)
    journal = Journal()
    for number in range(5):
        journal.add(Entry(at=0.0, listener="api", kind="status", method="GET", path=f"/{number}"))
    assert journal.polls == 5
    assert [entry.path for entry in journal.entries()] == ["/2", "/3", "/4"]
    assert journal.entries()[0].to_dict()["ended_at"] is None
    journal.clear()
    assert journal.counts() == {}
