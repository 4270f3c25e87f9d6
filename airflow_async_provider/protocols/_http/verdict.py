# SPDX-License-Identifier: Apache-2.0
"""
What an answer says of a job: every part of it that speaks must say "succeeded" before we do.

A state word alone is not enough: APIs put "ended" and "how" into two fields, an error object beside the final
word, or several states into a list. What stands in no list counts as running and is logged, or, once the job
has
ended, is an error. It never counts as success.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from airflow_async_provider.errors import DescriptionError
from airflow_async_provider.protocols._http.denials import (
    Denial,
    denial,
    failed_envelope,
    fields_of_text,
    is_not_met,
    runs_for_sure,
    says_how_inside,
)
from airflow_async_provider.protocols._http.denying_names import Kind, names_a_state
from airflow_async_provider.protocols._http.description import Outcome
from airflow_async_provider.protocols._http.incomplete import whole
from airflow_async_provider.protocols._http.places import MISSING, Answer, Place, as_text, says_something
from airflow_async_provider.protocols._http.values import error_text, one_line
from airflow_async_provider.protocols._http.words import Meaning, known_meaning, plain, worst
from airflow_async_provider.protocols._redaction import excerpt

#: A word longer than this is none (characters).
MAX_WORD = 200

#: In place of the word of one of many states that has none yet.
NOTHING_YET: Final = "nothing yet"

#: Fields of an object that are looked at.
MAX_FIELDS = 200

#: What to say where a list of states announces another page of them.
_UNLESS: Final = (
    "Ask for all of them at once, with a query parameter of poll; if the answer holds them all, say "
    "outcome.whole: true."
)

#: No job has more states than this.
MAX_STATES = 10_000

_BAD = (Meaning.FAILED, Meaning.CANCELLED, Meaning.NOT_RUN, Meaning.EXPIRED)
_ENDED = (Meaning.SUCCEEDED, Meaning.ENDED, Meaning.NO_DATA)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What an answer says.

    :param meaning: never UNKNOWN
    :param word: the remote's own word
    :param message: the remote's explanation
    :param unknown: words that stand in no list
    :param recognised: False where the answer leaves a doubt that a person may want to look into
    """

    meaning: Meaning
    word: str
    message: str | None = None
    unknown: tuple[str, ...] = ()
    recognised: bool = True


class Judge:
    """
    Reads the outcome of answers by one description.

    :param outcome: the description's part
    """

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._own = outcome.own_words()

    def meaning_of(self, word: str) -> Meaning:
        """What a word means; UNKNOWN when it stands in no list, and none has ``*``."""
        return self._listed(word) or self._own.get("*") or Meaning.UNKNOWN

    def _listed(self, word: str) -> Meaning | None:
        if word == NOTHING_YET:
            return Meaning.RUNNING
        found = self._own.get(plain(word))
        return known_meaning(word) if found is None and not self.outcome.strict else found

    def words(self, answer: Answer) -> list[str] | None:
        """
        The words of the state: none where it is null or an empty list, None where there is no such place.

        An object in place of a word is no word.
        """
        state = self.outcome.state
        if state is None:
            return None
        found = state.read(answer)
        if found is MISSING:
            return None
        if found is None:
            return []
        if isinstance(found, list) and (place := self._many(answer)) is not None:
            return self._each(found, place.elements(answer))
        values = found if isinstance(found, list) else [found]
        if not isinstance(found, list) and (each := state.every_match(answer)) is not None:
            values = each
        made = [w for v in values for w in _word(v)]
        return None if not made and values else made[:MAX_STATES]

    def _many(self, answer: Answer) -> Place | None:
        """The place of many states that is there."""
        places = self.outcome.state.places if self.outcome.state else ()
        there = (p for p in places if p.read(answer) not in (MISSING, None))
        place = next(there, None)
        return place if place is not None and place.many else None

    def _each(self, found: list[Any], elements: int) -> list[str] | None:
        """The words of many states: one that has none yet still runs."""
        made = [w for v in found for w in _word(v)]
        if not made and any(v is not None for v in found):
            return None
        if not made and elements and not found:
            return None  # no element has such a field
        without = max(elements - sum(1 for v in found if v is not None), 0)
        return made + [NOTHING_YET] * min(without, 1) if made else []

    def read(self, answer: Answer, words: list[str], *, job: str) -> Verdict:
        """
        The verdict on an answer with these state words.

        :raises DescriptionError: an unknown word where that is an error, or an end that cannot be read
        """
        if why := self.outcome.running_if.holds(answer):
            return Verdict(Meaning.RUNNING, ", ".join(words) or why, self._message(answer, running=True))
        if not words:
            return self._ended(answer, Meaning.RUNNING, "", job=job, over=False)
        self._all_there(answer, words, job)
        meanings = [self.meaning_of(w) for w in words]
        unknown = tuple(w for w, m in zip(words, meanings, strict=True) if m is Meaning.UNKNOWN)
        meaning = worst(meanings)
        word = words[meanings.index(meaning)]
        if meaning is Meaning.UNKNOWN:
            return self._unknown(answer, word, unknown, job)
        if meaning is Meaning.RUNNING:
            return Verdict(
                meaning, word, self._message(answer, running=True), unknown, recognised=not unknown
            )
        return self._ended(answer, meaning, word, job=job)

    def by_code(self, answer: Answer, meaning: Meaning) -> Verdict:
        """The verdict on an answer whose status code the description has a meaning for."""
        word = str(answer.response.status)
        if why := self.outcome.cancelled_if.holds(answer):
            return Verdict(Meaning.CANCELLED, word, self._message(answer) or why)
        if (meaning in _ENDED or self._no_data_by_state) and (why := self.outcome.no_data_if.holds(answer)):
            return Verdict(Meaning.NO_DATA, word, self._message(answer) or why)
        if meaning in _ENDED:
            return Verdict(meaning, word)
        text = self._message(answer) or error_text(answer.document) or excerpt(answer.response.body)
        return Verdict(meaning, word, text)

    def unnamed(self, answer: Answer, *, job: str) -> Verdict:
        """The verdict on an answer whose status code says "done": nothing in it may deny that."""
        return self._ended(answer, Meaning.SUCCEEDED, str(answer.response.status), job=job)

    def _all_there(self, answer: Answer, words: list[str], job: str) -> None:
        """Refuse to judge by a part of the states, such as the first page of them."""
        if (many := self._many(answer)) is not None and not self.outcome.whole:
            whole(answer, many, job=job, what="states", unless=_UNLESS)
        total = self.outcome.total.read(answer) if self.outcome.total else None
        if isinstance(total, int) and not isinstance(total, bool) and total > len(words):
            raise DescriptionError(
                f"HTTP {answer.response.status} for {job}: the answer holds {len(words)} of {total} states. "
                "Ask for all of them at once, with a query parameter of poll.",
                job=job,
                http_status=answer.response.status,
            )

    def not_yet(self, answer: Answer) -> str | None:
        """The running state beside a field such as ``result_state`` that is missing until the end."""
        for place in self.outcome.state.places if self.outcome.state else ():
            head, dot, name = place.source.rpartition(".")
            if not any(x in plain(name) for x in ("result", "conclusion", "outcome", "verdict")):
                continue
            parent = Place.parse(head, "state").read(answer) if dot else answer.document
            for value in parent.values() if isinstance(parent, dict) else ():
                if isinstance(value, str) and known_meaning(value) is Meaning.RUNNING:
                    return value
        return None

    def _unknown(self, answer: Answer, word: str, unknown: tuple[str, ...], job: str) -> Verdict:
        conditional = self._ended(answer, Meaning.RUNNING, word, job=job, over=False)
        if conditional.meaning is not Meaning.RUNNING:
            return conditional
        how = self.outcome.unknown or ("error" if self.outcome.strict else "warn")
        if how == "error":
            raise self._no_meaning(answer, word, "state", job)
        if how == "running":
            return Verdict(Meaning.RUNNING, word, self._message(answer, running=True))
        reason = f"{one_line(word, 80)!r} is in none of the lists of words ({_lists()}): taken for running"
        return Verdict(Meaning.RUNNING, word, reason, unknown, recognised=False)

    def _no_meaning(self, answer: Answer, word: str, what: str, job: str) -> DescriptionError:
        return DescriptionError(
            f"HTTP {answer.response.status} for {job}: the {what} {one_line(word, 80)!r} is in none of the "
            f"lists of words. Add it to one of {_lists()} of the description's outcome. The answer began: "
            f"{excerpt(answer.response.body)!r}",
            job=job,
            http_status=answer.response.status,
            remote_status=one_line(word, 80),
        )

    def _ended(self, answer: Answer, meaning: Meaning, word: str, *, job: str, over: bool = True) -> Verdict:
        """
        The state says "ended": what else the answer says.

        :param over: False where there is no state yet: then only a condition can show an end
        """
        own = self.outcome
        for made, conditions in ((Meaning.CANCELLED, own.cancelled_if), (Meaning.FAILED, own.failed_if)):
            if why := conditions.holds(answer, null=over):
                return Verdict(made, word or why, self._message(answer) or why)
        no_data = own.no_data_if.holds(answer, null=over)
        if not over and not no_data:
            return Verdict(Meaning.RUNNING, self._nothing_yet, self._message(answer, running=True))
        if over and meaning not in _ENDED:
            # A word of failure beside "no rows" is a failure, unless the condition speaks of that word.
            if no_data and self._no_data_by_state:
                return Verdict(Meaning.NO_DATA, word, self._message(answer) or no_data)
            return Verdict(meaning, word, self._message(answer))
        verdict = self._undenied(answer, meaning if over else Meaning.SUCCEEDED, word or no_data or "", job)
        if no_data and verdict.meaning is Meaning.SUCCEEDED:
            return Verdict(Meaning.NO_DATA, verdict.word, self._message(answer) or no_data)
        return verdict

    def _undenied(self, answer: Answer, meaning: Meaning, word: str, job: str) -> Verdict:
        """An end that is none of a failure: whether all else in the answer says so, too."""
        own = self.outcome
        if self._has_error(answer):
            return Verdict(Meaning.FAILED, word, self._message(answer) or "an error stands beside the state")
        if (found := self._denial(answer, meaning)) is not None:
            return Verdict(Meaning.FAILED, f"{word}, {found.text}", self._explained(answer, found))
        if meaning is not Meaning.NO_DATA and (missing := own.failed_if.incomparable(answer)):
            raise self._not_there(answer, missing, job)
        nowhere = own.conclusion is not None and not own.conclusion.places
        verdict = Verdict(Meaning.SUCCEEDED if meaning is Meaning.ENDED else meaning, word)
        if own.conclusion is not None and not nowhere:
            verdict = self._concluded(answer, meaning, word, job)
        if verdict.meaning is Meaning.SUCCEEDED and not nowhere and (denied := self._denied(answer)):
            return Verdict(denied[0], f"{word}, {denied[1].text}", self._explained(answer, denied[1]))
        return verdict

    @property
    def _nothing_yet(self) -> str:
        own = self.outcome
        return f"nothing yet at {own.state}" if own.state and own.missing == "error" else "running"

    @cached_property
    def _no_data_by_state(self) -> bool:
        """Whether the conditions for "no data" look at the state itself, and so speak of its words."""
        state = {p.source for p in self.outcome.state.places} if self.outcome.state else set()
        tests = [t for tests in self.outcome.no_data_if.alternatives for t in tests]
        return any(t.place.source in state | {"http:status"} for t in tests)

    def _not_there(self, answer: Answer, condition: str, job: str) -> DescriptionError:
        name = condition.partition("!=")[0]
        return DescriptionError(
            f"HTTP {answer.response.status} for {job}: it has ended, and failed_if compares {name!r}, which "
            f"is not in the answer. Where it may be missing, say [[{name!r}, {condition!r}]]. "
            f"The answer began: {excerpt(answer.response.body)!r}",
            job=job,
            http_status=answer.response.status,
        )

    def _concluded(self, answer: Answer, meaning: Meaning, word: str, job: str) -> Verdict:
        found = self.outcome.conclusion.read(answer) if self.outcome.conclusion else None
        values = [] if found is MISSING or found is None else found if isinstance(found, list) else [found]
        words = [w for v in values for w in _word(v)]
        if not words:
            reason = f"{word}, and nothing yet at {self.outcome.conclusion}"
            return Verdict(Meaning.RUNNING, reason, recognised=False)
        meanings = [_conclusion(w, self._how(w)) for w in words]
        how = worst(meanings)
        concluded = words[meanings.index(how)]
        if how is Meaning.UNKNOWN:
            raise self._no_meaning(answer, concluded, "conclusion", job)
        if how is Meaning.ENDED or (how is Meaning.SUCCEEDED and meaning is Meaning.NO_DATA):
            how = Meaning.SUCCEEDED if how is Meaning.ENDED else meaning
        both = word if plain(concluded) == plain(word) else f"{word}, {concluded}"
        return Verdict(how, both, None if how in _ENDED else self._message(answer))

    def _how(self, word: str) -> Meaning:
        """What a word of the conclusion means; "false has ended" is about the state."""
        own = self._own.get(plain(word))
        if own in (Meaning.RUNNING, Meaning.ENDED):
            return known_meaning(word) or own
        return self.meaning_of(word)

    def _has_error(self, answer: Answer) -> bool:
        """Whether something stands where the description says that an error does."""
        found = self.outcome.error.read(answer) if self.outcome.error is not None else None
        # {} is an error that says nothing; {"code": 0} says that there is none.
        return found == {} or (found is not MISSING and says_something(found))

    def _denial(self, answer: Answer, meaning: Meaning) -> Denial | None:
        """A field beside the state that denies a success and of which the description does not speak."""
        own = self.outcome
        off = {
            kind
            for kind, where in ((Kind.ERROR, own.error), (Kind.BOOLEAN, own.conclusion))
            if where is not None
        }
        if own.conclusion is not None and own.conclusion.places:
            off.discard(Kind.BOOLEAN)
        if meaning is Meaning.NO_DATA:
            off.add(Kind.BOOLEAN)
        counts = own.partial == "failed" and own.state is not None
        own_objects = [(document, counts) for document in self._beside(answer)]
        # what is counted further away is that of the tries of a job, too
        for document, counted in [*own_objects, *((d, False) for d in self._around(answer))]:
            for found in denial(document, ignored=self._read_by_description, counts=counted):
                if found.kind not in off:
                    return found
        if Kind.BOOLEAN in off or own.state is None or "code" in self._read_by_description:
            return None
        envelope = failed_envelope(answer.document)
        return None if envelope is None else Denial(Kind.BOOLEAN, envelope)

    @cached_property
    def _judged(self) -> frozenset[str]:
        """Names of fields of whose words the description's conclusion and conditions speak."""
        own = self.outcome
        conditions = (own.running_if, own.failed_if, own.cancelled_if, own.no_data_if)
        places = [test.place for c in conditions for tests in c.alternatives for test in tests]
        return _names([*places, *(own.conclusion.places if own.conclusion else ())])

    @cached_property
    def _read_by_description(self) -> frozenset[str]:
        """Names of fields that the description itself reads for the outcome."""
        states = self.outcome.state.places if self.outcome.state else ()
        on_the_way = {part.partition("[")[0] for p in states for part in re.split(r"[./]", p.source)}
        return self._judged | _names(states) | on_the_way

    def _explained(self, answer: Answer, found: Denial) -> str:
        """The remote's explanation, and how to take the answer for a success all the same."""
        key = {
            Kind.COUNT: "partial: succeeded",
            Kind.ERROR: "error: false",
            Kind.BOOLEAN: "conclusion: false",
        }[found.kind]
        hint = f"{found.text} stands beside the state; if that is no failure, say outcome: {{{key}}}"
        text = self._message(answer)
        return f"{text} ({hint})" if text else hint

    def _denied(self, answer: Answer) -> tuple[Meaning, Denial] | None:
        """What a second word beside the state says against a success, where the description names none."""
        for document in [*self._beside(answer), *self._around(answer)]:
            for name, value in list(document.items())[:MAX_FIELDS]:
                if isinstance(value, bool) and self.outcome.state and name not in self._read_by_description:
                    if runs_for_sure(str(name), value):
                        return Meaning.RUNNING, Denial(Kind.BOOLEAN, f"{name}: {as_text(value)}")
                    continue
                if name in self._judged or not names_a_state(str(name)):
                    continue
                word = says_how_inside(value) if isinstance(value, dict) else value
                if isinstance(word, str) and len(word) <= MAX_WORD:
                    how, text = self._listed(word), f"{name}: {one_line(word, 80)}"
                    if how in _BAD:
                        return how, Denial(Kind.BOOLEAN, text)
                    if (how is Meaning.RUNNING and runs_for_sure(name, word)) or is_not_met(document, name):
                        return Meaning.RUNNING, Denial(Kind.BOOLEAN, text)
        return None

    def _beside(self, answer: Answer) -> list[dict[str, Any]]:
        """The document, and the object in it that holds the state; of many states all of their objects."""
        document = answer.document
        found = [document] if isinstance(document, dict) else fields_of_text(answer)
        for place in self.outcome.state.places if self.outcome.state else ():
            found += _objects(answer, place.parent)
        return found

    def _around(self, answer: Answer) -> list[dict[str, Any]]:
        """The objects in the document around the one that holds the state."""
        found: list[dict[str, Any]] = []
        for place in self.outcome.state.places if self.outcome.state else ():
            around = place.parent and place.parent.parent
            while around is not None:
                found += _objects(answer, around)
                around = around.parent
        return found

    def _message(self, answer: Answer, *, running: bool = False) -> str | None:
        own = self.outcome.message
        if own is not None:
            found = next((f for p in own.places if says_something(f := p.read(answer))), None)
            if isinstance(found, list):
                found = "; ".join(as_text(f) for f in found[:5])
            return None if found is None else as_text(found)
        if running:
            return None
        for document in self._beside(answer)[::-1]:
            if text := error_text(document):
                return text
        return None


def _objects(answer: Answer, place: Place | None) -> list[dict[str, Any]]:
    """The object at a place, or the objects of a list there."""
    inner = place.read(answer) if place is not None else None
    return [d for d in (inner if isinstance(inner, list) else [inner]) if isinstance(d, dict)]


def _names(places: Iterable[Place]) -> frozenset[str]:
    return frozenset(re.split(r"[./]", p.source)[-1] for p in places)


def _lists() -> str:
    return ", ".join(m.value for m in Outcome.LISTS)


def _word(value: Any) -> list[str]:
    if not isinstance(value, str | bool | int | list):
        return []
    if isinstance(value, list):
        return [w for v in value for w in _word(v)][:1000]
    text = as_text(value).strip()
    return [text] if text and len(text) <= MAX_WORD else []


def _conclusion(word: str, meaning: Meaning) -> Meaning:
    """False as a state is "not yet"; as a conclusion it is a failure."""
    return Meaning.FAILED if meaning is Meaning.RUNNING and plain(word) == "false" else meaning
