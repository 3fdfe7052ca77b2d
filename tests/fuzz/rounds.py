"""A seed and a number -> one round: jobs, what goes wrong at the vendors, and every death.

A round depends on nothing but its seed and its number, so that one that failed can be run alone.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any

from omnihuman_blocks.walk.borders import Border

VENDORS = ("runware", "fal", "aimlapi", "pixazo")
ORDER = list(Border)
BORDERS_A_ROUND = 10
RANDOM_DEATHS = 3
FLIGHTS = 3
"""Deaths while a request is on its way or its answer is."""
JOBS_A_STEP = 2
TWINS = 0.08
"""How often another process walks with the same jobs."""

Rule = dict[str, Any]


def rule(operation: str, kind: str, **more: Any) -> Rule:
    """Something that goes wrong; `when`, `vendor` and `times` belong to the rule."""
    about: Rule = {name: more.pop(name) for name in ("when", "vendor", "times") if name in more}
    return {"operation": operation, "effect": {"kind": kind, **more}, **about}


def now_and_then(probability: float) -> dict[str, float]:
    return {"probability": probability}


MENU: tuple[Rule, ...] = (
    rule("submit", "lost_answer", when=now_and_then(0.08)),
    rule("submit", "lost_answer", reset=True, when=now_and_then(0.05)),
    rule("submit", "dropped", when=now_and_then(0.05)),
    rule("submit", "server_error", status=503, when=now_and_then(0.06)),
    rule("submit", "server_error", status=502, form="html", carried_out=True,
         when=now_and_then(0.06)),
    rule("submit", "garbled", form="half", when=now_and_then(0.05)),
    rule("submit", "too_many_requests", retry_after=0.01, when=now_and_then(0.15)),
    rule("submit", "slow", seconds=0.12, when=now_and_then(0.3)),
    rule("submit", "refused", refusal="balance", when=now_and_then(0.05), times=1),
    rule("status", "dropped", when=now_and_then(0.06)),
    rule("status", "server_error", status=500, when=now_and_then(0.06)),
    rule("status", "too_many_requests", retry_after=0.01, when=now_and_then(0.08)),
    rule("result", "server_error", status=502, form="html", when=now_and_then(0.1)),
    rule("logs", "server_error", status=503, when=now_and_then(0.2)),
    rule("logs", "unlisted", running_only=True, when=now_and_then(0.3)),
    rule("upload", "dropped", when=now_and_then(0.08)),
    rule("upload", "server_error", status=500, when=now_and_then(0.08)),
    rule("download", "truncated", when=now_and_then(0.08)),
    rule("download", "truncated", honest=True, when=now_and_then(0.06)),
    rule("download", "other_video", when=now_and_then(0.06)),
    rule("download", "empty", when=now_and_then(0.04)),
    rule("download", "html", when=now_and_then(0.04)),
    rule("download", "expired", status=403, fresh=True, when=now_and_then(0.08)),
    rule("generate", "fails", failure="internal", retryable=True, when=now_and_then(0.08)),
    rule("generate", "fails", failure="content", retryable=False, when=now_and_then(0.03)),
)  # fmt: skip
SERVED = 12
"""How many of the menu a round gets."""

NEEDS: dict[Border, Rule] = {
    **dict.fromkeys(
        (Border.AFTER_NO, Border.NO_WRITTEN),
        rule("submit", "too_many_requests", retry_after=0.01, when={"first": 1}),
    ),
    **dict.fromkeys(
        (Border.BEFORE_SEARCH, Border.FOUND, Border.ADOPTED),
        rule("submit", "lost_answer", when={"first": 1}),
    ),
    **dict.fromkeys(
        (Border.BEFORE_ANOTHER_LOOK, Border.AFTER_ANOTHER_LOOK),
        rule("download", "truncated", honest=True, when={"first": 1}),
    ),
    **dict.fromkeys(
        (Border.BEFORE_ATTEMPT, Border.AFTER_ATTEMPT),
        rule("generate", "fails", failure="internal", retryable=True, when={"first": 1}),
    ),
    **dict.fromkeys(
        (Border.PUT_ASIDE, Border.AFTER_SPOILING),
        rule("download", "other_video", when={}),
    ),
}
"""What must go wrong with a job for a border to be crossed at all."""
BY: dict[Border, str] = {
    Border.BEFORE_UPLOAD: "fal",
    Border.STAGED: "runware",
    Border.ADDRESS_KEPT: "fal",
    Border.BEFORE_SEARCH: "runware",
    Border.FOUND: "aimlapi",
    Border.ADOPTED: "runware",
    Border.BEFORE_ATTEMPT: "fal",
    Border.AFTER_ATTEMPT: "fal",
}
"""Who must sell it for a border to be crossed."""
TAKING_OVER = frozenset({Border.BEFORE_TAKEOVER, Border.AFTER_TAKEOVER})
"""Crossed only where somebody died with an intent."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One process and its death."""

    jobs: int
    """It walks with the first so many of the round's jobs."""
    border: str | None = None
    nth: int = 1
    after: float = 0.0
    kill_after: float | None = None
    twin: bool = False
    """Another process walks with the same jobs at the same time, and lives."""

    @property
    def death(self) -> dict[str, Any] | None:
        if self.border is None:
            return None
        return {"border": self.border, "nth": self.nth, "after": self.after}

    @property
    def name(self) -> str:
        """How its death is counted."""
        if self.border is None:
            return "at a random time"
        return "in flight" if self.after else self.border


@dataclass(frozen=True, kw_only=True)
class Round:
    """All that a round is made of; printed when it fails."""

    seed: int
    number: int
    rules: list[Rule] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    vendors: list[str] = field(default_factory=list)
    """By job."""
    own: dict[int, Rule] = field(default_factory=dict)
    """By job, what goes wrong with it."""

    @property
    def jobs(self) -> int:
        return len(self.vendors)

    @property
    def always_wrong(self) -> list[int]:
        """Jobs whose vendor never sends their own video."""
        return [job for job, own in self.own.items() if not own["when"]]

    def shown(self) -> dict[str, Any]:
        return asdict(self)


def vendor_of(job: int) -> str:
    return VENDORS[job % len(VENDORS)]


def make(seed: int, number: int) -> Round:
    """The round of this number. Borders take turns, so that each has its death."""
    dice = random.Random(f"{seed}:{number}")
    turns = random.Random(seed).sample(ORDER, len(ORDER))
    first = number * BORDERS_A_ROUND
    borders = [turns[(first + each) % len(turns)] for each in range(BORDERS_A_ROUND)]
    deaths = [_at(each, dice) for each in borders]
    deaths += [{"kill_after": round(dice.uniform(0.03, 0.6), 3)} for _ in range(RANDOM_DEATHS)]
    deaths += [_in_flight(dice) for _ in range(FLIGHTS)]
    dice.shuffle(deaths)
    deaths = [each for death in deaths for each in (*_before(death), death)]
    vendors: list[str] = []
    own: dict[int, Rule] = {}
    steps: list[Step] = []
    for death in deaths:
        border, fresh = death.get("border"), len(vendors)
        vendors += [vendor_of(fresh + each) for each in range(JOBS_A_STEP)]
        if border in BY:
            vendors[fresh] = BY[Border(border)]
        if border in NEEDS:
            own[fresh] = NEEDS[Border(border)]
        steps.append(Step(jobs=len(vendors), twin=dice.random() < TWINS, **death))
    return Round(
        seed=seed,
        number=number,
        rules=dice.sample(MENU, SERVED),
        steps=steps,
        vendors=vendors,
        own=own,
    )


def _at(border: Border, dice: random.Random) -> dict[str, Any]:
    is_rare = border in NEEDS or border in BY or border in TAKING_OVER
    return {"border": border.value, "nth": 1 if is_rare else dice.choice((1, 1, 2))}


def _in_flight(dice: random.Random) -> dict[str, Any]:
    after = round(dice.uniform(0.001, 0.1), 4)
    return {"border": Border.BEFORE_REQUEST.value, "nth": dice.choice((1, 2)), "after": after}


def _before(death: dict[str, Any]) -> list[dict[str, Any]]:
    """Who is to die while taking over needs a dead one before."""
    if death.get("border") in TAKING_OVER:
        return [{"border": Border.BEFORE_REQUEST.value}]
    return []
