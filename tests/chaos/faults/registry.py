# SPDX-License-Identifier: Apache-2.0
"""The list of faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.scene import Scene


@dataclass(frozen=True)
class Fault:
    """
    Something that goes wrong while jobs are under way.

    :param name: on the command line
    :param title: what happens, for the table
    :param play: starts the jobs, strikes, and returns when nothing is left but to wait for the end
    :param short: part of the short form
    :param patience: seconds until all tasks must have ended after that
    """

    name: str
    title: str
    play: Callable[[Scene], None]
    short: bool = False
    patience: float = 600.0


FAULTS: dict[str, Fault] = {}


def fault(
    title: str, *, short: bool = False, patience: float = 600.0
) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Enter a function as a fault; its name becomes the fault's."""

    def enter(play: Callable[[Scene], None]) -> Callable[[Scene], None]:
        name = play.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, title, play, short, patience)
        return play

    return enter
