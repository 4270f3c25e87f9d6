# SPDX-License-Identifier: Apache-2.0
"""Simulated jobs that end when they have been asked for often enough, however quick the machine is."""

from __future__ import annotations

import threading
from typing import Any


def end_after(simulator: Any, polls: int, outcome: str | None = None) -> None:
    """
    End the simulator's latest job as soon as it has answered so many polls.

    :param simulator: one whose jobs do not end by themselves (``processing_seconds=None``)
    :param outcome: how it ends; the good end by default
    """

    def end() -> None:
        if simulator.journal.wait(answered, 30):
            simulator.job().finish(outcome)

    def answered(journal: Any) -> bool:
        asked = journal.entries("status")[:polls]
        return len(asked) == polls and all(entry.ended_at is not None for entry in asked)

    threading.Thread(target=end, daemon=True).start()
