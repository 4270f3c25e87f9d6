# SPDX-License-Identifier: Apache-2.0
"""How far a job is: a percentage, a fraction, or two numbers of which one is the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_async_provider.protocols._http.places import Answer, Place


def progress_of(places: Sequence[Place], answer: Answer) -> float | None:
    """
    How far the job is, 0 to 1; None where the answer does not say.

    :param places: one place of the progress, or two: done and all
    """
    numbers = [_number(p.read(answer)) for p in places]
    if not numbers or None in numbers:
        return None
    if len(numbers) == 2:
        done, total = numbers[0], numbers[1]
        share = done[0] / total[0] if done and total and total[0] > 0 else None
    else:
        value, fraction = numbers[0] or (0.0, False)
        share = value if fraction else value / 100
    return None if share is None else min(max(share, 0.0), 1.0)


def percentage(text: str | None) -> float | None:
    """The share of 1 that a header such as ``X-Progress: 37%`` names, None where it names none."""
    digits = (text or "").strip().removesuffix("%").strip()
    try:
        value = float(digits) / 100 if digits else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value <= 1 else None


def _number(value: Any) -> tuple[float, bool] | None:
    """A number, and whether it is a fraction of 1 rather than a percentage."""
    if isinstance(value, str):
        text = value.strip().removesuffix("%").strip()
        try:
            return float(text), False
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15 or value != value:
        return None
    return float(value), isinstance(value, float) and 0 <= value <= 1
