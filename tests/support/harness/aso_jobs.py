# SPDX-License-Identifier: Apache-2.0
"""Jobs of a simulated JAGGAER ASO that end when a test says so, found by the event that they are about."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from tests.support.harness.client import PATIENCE
from tests.support.harness.processes import wait_until
from tests.support.harness.servers import SimulatorProcess

#: Part of every made-up secret, found wherever a part of one lies, and in no checksum or id by chance.
MARK = "zQ4wKx"

#: what the connection to it holds
ASO_TOKEN, ASO_KEY = f"aso-token-{MARK}77", f"aso-key-{MARK}77"

_events = itertools.count(5000)


@dataclass(frozen=True)
class AsoJobs:
    """
    The jobs about one event, which nobody else has.

    :param simulator: whose jobs run until they are told to end
    """

    simulator: SimulatorProcess
    event: int = field(default_factory=lambda: next(_events))

    @property
    def numbers(self) -> list[int]:
        """The jobs that were started so far."""
        jobs = self.simulator.describe()["jobs"]
        return [job["number"] for job in jobs if job["parameters"].get("event_id") == str(self.event)]

    def wait(self, count: int = 1) -> int:
        """Wait until there are so many; returns the latest."""
        return wait_until(
            lambda: self.numbers[-1] if len(self.numbers) >= count else None,
            f"{count} jobs of event {self.event}",
            PATIENCE,
            interval=0.3,
        )

    def end(self, outcome: str = "completed", count: int = 1) -> None:
        """Let the latest end, once there are so many."""
        self.simulator.act("finish_job", job=self.wait(count), outcome=outcome)
