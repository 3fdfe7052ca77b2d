"""The switchboard: rules say when something goes wrong; every request asks what applies to it.

A rule's dice are seeded by what the moment is about, so that a run repeats itself even where its
requests arrive in another order.
"""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from omnihuman_blocks.sandbox.effects import Effect, Operation
from omnihuman_blocks.sandbox.settings import Vendor


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What is happening, as far as it is known: what a rule may look at."""

    vendor: Vendor
    operation: Operation
    ticket: str | None = None
    client_id: str | None = None
    fingerprint: str | None = None
    media: frozenset[str] = frozenset()
    purchases: int = 0
    """How many this vendor has accepted before."""


class When(BaseModel):
    """All that is named here must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    probability: float | None = Field(default=None, ge=0, le=1)
    every: int | None = Field(default=None, ge=1)
    """Every nth of the moments that the rest of the rule is about."""
    first: int | None = Field(default=None, ge=1)
    """The first so many of them."""
    skip: int = Field(default=0, ge=0)
    """So many of them pass before `every`, `first` and `probability` begin to count."""
    after_purchases: int | None = Field(default=None, ge=0)
    """Once the vendor has accepted so many."""
    ticket: str | None = None
    client_id: str | None = None
    fingerprint: str | None = None
    media: str | None = Field(default=None, min_length=8)
    """The SHA-256 of its image or audio, or the beginning of it."""


class Rule(BaseModel):
    """One thing that goes wrong, and when."""

    model_config = ConfigDict(extra="forbid")

    id: str = ""
    vendor: Vendor | Literal["any"] = "any"
    operation: Operation | Literal["any"] = "any"
    when: When = Field(default_factory=When)
    effect: Effect
    times: int | None = Field(default=None, ge=1)
    """It happens so often at most."""
    seed: int = 0
    enabled: bool = True

    @model_validator(mode="after")
    def _means_something(self) -> Rule:
        possible = self.effect.operations
        if self.operation != "any" and self.operation not in possible:
            raise ValueError(
                f"`{self.effect.kind}` means nothing at `{self.operation}`; it belongs to "
                f"{', '.join(sorted(possible))}"
            )
        return self

    def is_about(self, moment: Moment) -> bool:
        """Whether the moment is of the kind that this rule is for."""
        when = self.when
        return (
            self.enabled
            and self.vendor in ("any", moment.vendor)
            and moment.operation in self._operations()
            and when.ticket in (None, moment.ticket)
            and when.client_id in (None, moment.client_id)
            and when.fingerprint in (None, moment.fingerprint)
            and (when.after_purchases is None or moment.purchases >= when.after_purchases)
            and (
                when.media is None or any(digest.startswith(when.media) for digest in moment.media)
            )
        )

    def _operations(self) -> Collection[Operation]:
        if self.operation != "any":
            return (self.operation,)
        return self.effect.usual or self.effect.operations

    def strikes(self, nth: int, throw: float) -> bool:
        """Whether it happens at the nth such moment (from 0), the dice having been thrown."""
        when = self.when
        nth -= when.skip
        return (
            nth >= 0
            and (when.first is None or nth < when.first)
            and (when.every is None or (nth + 1) % when.every == 0)
            and (when.probability is None or throw < when.probability)
        )


Rules = TypeAdapter(list[Rule])


class Faults:
    """The rules in force. May be changed from any thread while the sandbox runs."""

    def __init__(self, rules: Iterable[Rule | Mapping[str, Any]] = ()) -> None:
        self._lock = threading.Lock()
        self._made = 0
        self._rules: list[Rule] = []
        self._moments: Counter[str] = Counter()
        self._happened: Counter[str] = Counter()
        self._thrown: Counter[tuple[str, str]] = Counter()
        self.replace(rules)

    @classmethod
    def from_document(cls, document: Any) -> Faults:
        """Rules from parsed JSON: a list, or an object with a list under `rules`."""
        return cls(read_rules(document))

    @classmethod
    def from_file(cls, path: Path) -> Faults:
        """Rules from a JSON file."""
        return cls.from_document(json.loads(path.read_text(encoding="utf-8")))

    def __bool__(self) -> bool:
        """Whether anything can go wrong at all."""
        return bool(self._rules)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, in the order in which they are asked."""
        return tuple(self._rules)

    def add(self, rule: Rule | Mapping[str, Any]) -> Rule:
        """One more rule; one with the same id is replaced."""
        read = rule if isinstance(rule, Rule) else Rule.model_validate(rule)
        with self._lock:
            self._made += 1
            named = read if read.id else read.model_copy(update={"id": f"rule-{self._made}"})
            kept = [other for other in self._rules if other.id != named.id]
            self._rules = [*kept, named]
        return named

    def replace(self, rules: Iterable[Rule | Mapping[str, Any]]) -> None:
        """These rules and no others; counting begins again."""
        read = [rule if isinstance(rule, Rule) else Rule.model_validate(rule) for rule in rules]
        self.clear()
        for rule in read:
            self.add(rule)

    def remove(self, rule_id: str) -> bool:
        """Whether there was such a rule."""
        with self._lock:
            before = len(self._rules)
            self._rules = [rule for rule in self._rules if rule.id != rule_id]
            return len(self._rules) < before

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._rules = []
            self._moments.clear()
            self._happened.clear()
            self._thrown.clear()

    def happened(self) -> dict[str, int]:
        """How often each rule has struck."""
        with self._lock:
            return {rule.id: self._happened[rule.id] for rule in self._rules}

    def effects(self, moment: Moment) -> tuple[Effect, ...]:
        """What goes wrong at this moment."""
        if not self._rules:
            return ()
        with self._lock:
            return tuple(rule.effect for rule in self._rules if self._strikes(rule, moment))

    def _strikes(self, rule: Rule, moment: Moment) -> bool:
        if not rule.is_about(moment):
            return False
        if rule.times is not None and self._happened[rule.id] >= rule.times:
            return False
        nth = self._moments[rule.id]
        self._moments[rule.id] += 1
        if not rule.strikes(nth, self._throw(rule, moment)):
            return False
        self._happened[rule.id] += 1
        return True

    def _throw(self, rule: Rule, moment: Moment) -> float:
        about = moment.fingerprint or moment.client_id or moment.ticket or ""
        nth = self._thrown[rule.id, about]
        self._thrown[rule.id, about] += 1
        return random.Random(f"{rule.seed}:{rule.id}:{moment.operation}:{about}:{nth}").random()


def read_rules(document: Any) -> Sequence[Rule]:
    """Rules from parsed JSON: a list, or an object with a list under `rules`."""
    listed = document.get("rules") if isinstance(document, dict) else document
    return Rules.validate_python(listed)
