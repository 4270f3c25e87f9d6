# SPDX-License-Identifier: Apache-2.0
"""How the jobs of a simulator go: the plan of all, changes for some, and scripts for the next one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from operator import eq
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar


class Plan:
    """Base of the simulators' plans, which are frozen dataclasses."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """
        Make the same plan with some fields changed. Lists become tuples, as JSON has lists only.

        :raises ValueError: unknown field, or a value that cannot be
        """
        if unknown := set(changes) - set(self.__dataclass_fields__):
            raise ValueError(f"a plan has no {sorted(unknown)}")
        own_kind = {name for name in changes if isinstance(getattr(self, name), tuple)}
        return dataclasses.replace(
            self, **{name: _frozen(value) if name in own_kind else value for name, value in changes.items()}
        )


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


AnyPlan = TypeVar("AnyPlan", bound=Plan)


class Plans(Generic[AnyPlan]):
    """
    Which plan the next job gets.

    :param base: the plan of all jobs
    :param by_kind: changes for the jobs of single kinds (endpoint, convention, object name)
    :param kinds: the kinds that exist, None: any may
    :param what: what a kind is called in messages
    :param fits: whether a job's kind is meant by a key of ``by_kind``
    :raises ValueError: unknown kind or field
    """

    def __init__(
        self,
        base: AnyPlan,
        by_kind: Mapping[str, Mapping[str, Any]],
        *,
        kinds: frozenset[str] | None = None,
        what: str = "kind",
        fits: Callable[[str, str], bool] = eq,
    ) -> None:
        self._base = base
        self._kinds = kinds
        self._what = what
        self._fits = fits
        self._by_kind = {kind: self._checked(kind, changes) for kind, changes in by_kind.items()}
        self._scripted: list[tuple[str | None, dict[str, Any]]] = []

    def _checked(self, kind: str | None, changes: Mapping[str, Any]) -> dict[str, Any]:
        if kind is not None and self._kinds is not None and kind not in self._kinds:
            raise ValueError(f"unknown {self._what} {kind!r}; known are {sorted(self._kinds)}")
        self._base.changed(changes)
        return dict(changes)

    def script(self, kind: str | None, changes: Mapping[str, Any]) -> None:
        """
        Change the next job's plan, once.

        :param kind: the next job of this kind, None: of any
        """
        self._scripted.append((kind, self._checked(kind, changes)))

    def next(self, kind: str) -> AnyPlan:
        """The plan of the job that begins now."""
        plan = self._base
        for meant, changes in self._by_kind.items():
            if self._fits(kind, meant):
                plan = plan.changed(changes)
        for position, (wanted, changes) in enumerate(self._scripted):
            if wanted in (None, kind):
                del self._scripted[position]
                return plan.changed(changes)
        return plan

    def clear(self) -> None:
        """Forget what was scripted."""
        self._scripted.clear()


class TimedPlan(Protocol):
    """What a plan says about a job that ends by itself."""

    @property
    def processing_seconds(self) -> float | None: ...
    @property
    def outcome(self) -> str: ...


class TimedJob:
    """
    A job whose state follows from the clock; nothing runs in the background.

    :param plan: how it goes
    :param now: simulated epoch seconds
    """

    #: the remote's word for a job that has not ended
    running: ClassVar[str] = "running"
    #: its words for one that has; the first is the good one
    outcomes: ClassVar[tuple[str, ...]]

    def __init__(self, plan: TimedPlan, now: Callable[[], float]) -> None:
        self._timed = plan
        self._now = now
        self.started_at = now()
        self._told: tuple[str, float] | None = None

    @property
    def state(self) -> str:
        """The remote's word for the job's state now."""
        if self._told is not None:
            return self._told[0]
        seconds = self._timed.processing_seconds
        if seconds is None or self._now() < self.started_at + seconds:
            return self.running
        return self._timed.outcome

    @property
    def ended_at(self) -> float:
        """
        Simulated epoch seconds at which it ended.

        :raises ValueError: it has not
        """
        if self._told is not None:
            return self._told[1]
        if self.state == self.running:
            raise ValueError("the job has not ended")
        return self.started_at + (self._timed.processing_seconds or 0.0)

    def finish(self, outcome: str | None = None) -> None:
        """
        End the job now, if it has not ended already.

        :param outcome: one of :attr:`outcomes`; the good one by default
        """
        outcome = outcome or self.outcomes[0]
        if outcome not in self.outcomes:
            raise ValueError(f"unknown outcome {outcome!r}; known are {self.outcomes}")
        if self.state == self.running:
            self._told = (outcome, self._now())
