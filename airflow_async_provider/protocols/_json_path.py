# SPDX-License-Identifier: Apache-2.0
"""
Naming one place in a JSON document, to read it or to write there.

Two spellings, both of which name exactly one place (no wildcards, no filters):

* dotted: ``result.files[0].url``, with an optional ``$.`` in front as in JSONPath (RFC 9535); ``[-1]`` is the
  last of a list, ``["odd.key"]`` for keys that hold dots or brackets;
* JSON Pointer (RFC 6901), which starts with a slash: ``/result/files/0/url``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

Step = str | int

#: A place deeper than this is a mistake, or an attempt to make us recurse.
DEEPEST: Final = 64


class _Missing:
    """The type of :data:`MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


#: What :func:`read` answers when there is nothing at the place; JSON's ``null`` is None.
MISSING: Final = _Missing()

_STEP = re.compile(
    r"""
      \.?(?P<name>[^.\[\]"'\s][^.\[\]]*)        # a name
    | \[(?P<index>-?[0-9]{1,9})\]                # [0], or [-1] for the last
    | \[(?P<quoted>"(?:[^"\\]|\\.)*")\]         # ["odd.key"], escapes as in JSON
    """,
    re.VERBOSE,
)


def parse(path: str) -> tuple[Step, ...]:
    """
    The steps of a path; none for the whole document (``$`` or an empty pointer).

    :raises ValueError: the path cannot be understood
    """
    if not isinstance(path, str):
        raise ValueError(f"a JSON path is a string, not {type(path).__name__}")  # noqa: TRY004 - one error for all
    steps = _pointer(path) if path == "" or path.startswith("/") else _dotted(path)
    if len(steps) > DEEPEST:
        raise ValueError(f"the JSON path has more than {DEEPEST} steps")
    return steps


def _pointer(path: str) -> tuple[Step, ...]:
    if re.search(r"~(?![01])", path):
        raise ValueError(f"JSON pointer {path!r}: a tilde is written ~0 (RFC 6901)")
    # "~01" is the key "~1": the order of the two replacements matters (RFC 6901 §4).
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])


def _dotted(path: str) -> tuple[Step, ...]:
    rest = path[1:] if path == "$" or path.startswith(("$.", "$[")) else path
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        # Only the first name may come without its dot, and only where no "$" stands before it.
        bare = at > 0 or rest is not path
        if match is None or (bare and match["name"] is not None and rest[at] != "."):
            raise ValueError(
                f"JSON path {path!r} cannot be understood from {rest[at:]!r} on. "
                'Write it like result.files[0].url, ["odd.key"].id, or as a JSON pointer /result/files/0/url.'
            )
        if match["index"] is not None:
            steps.append(int(match["index"]))
        elif match["quoted"] is not None:
            steps.append(_unquoted(match["quoted"], path))
        else:
            steps.append(match["name"])
        at = match.end()
    return tuple(steps)


def _unquoted(quoted: str, path: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise ValueError(f"JSON path {path!r}: {quoted} is not a JSON string") from None


def read(document: Any, path: str) -> Any:
    """
    What stands at a place, :data:`MISSING` when there is nothing.

    :raises ValueError: the path cannot be understood
    """
    here = document
    for step in parse(path):
        if isinstance(here, dict):
            here = here.get(str(step), MISSING)
        elif (
            isinstance(here, list) and (index := _index(step)) is not None and -len(here) <= index < len(here)
        ):
            here = here[index]
        else:
            return MISSING
    return here


def write(document: Any, path: str, value: Any) -> Any:
    """
    A copy of the document with a value at the place; what is missing on the way there becomes objects.

    The document itself stays as it is: it may be an argument of a task, used again by the next try.

    :raises ValueError: the path cannot be understood, or something else stands in its way
    """
    return _written(document, parse(path), value, path)


def _written(here: Any, steps: Sequence[Step], value: Any, path: str) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if here is None or here is MISSING:
        here = {}
    if isinstance(here, dict):
        key = str(step)
        return {**here, key: _written(here.get(key, MISSING), rest, value, path)}
    if isinstance(here, list):
        index = len(here) if step == "-" else _index(step)  # "-" is the place behind the last (RFC 6901)
        if index is None or not 0 <= index <= len(here):
            raise ValueError(f"JSON path {path!r}: the list there has no place {step!r}")
        old = here[index] if index < len(here) else MISSING
        return [*here[:index], _written(old, rest, value, path), *here[index + 1 :]]
    raise ValueError(f"JSON path {path!r}: a {type(here).__name__} stands in the way of {step!r}")


def _index(step: Step) -> int | None:
    if isinstance(step, int):
        return step
    # RFC 6901 §4: digits without a leading zero. int() would also take "+1", "1_0" and other scripts' digits.
    return int(step) if re.fullmatch(r"0|[1-9][0-9]{0,8}", step) else None
