"""Plays rounds and keeps the tally."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from omnihuman_blocks.edges.ledger import Ledger
from tests.fuzz import judge
from tests.fuzz.rounds import Round, Step
from tests.fuzz.world import End, World

FINISHING = 8
"""Runs after the last death within which everything must have ended."""
CAP = Decimal(4)
"""Per day, while they die; lifted at the end. Fits a round, barely."""


class Wrong(AssertionError):
    """A promise was broken. Tells what, and how to see it again."""

    def __init__(self, played: Round, found: list[str]) -> None:
        again = f"python -m tests.fuzz --seed {played.seed} --round {played.number}"
        lines = [f"Round {played.number} of seed {played.seed}; again: {again}", *found]
        super().__init__("\n".join([*lines, json.dumps(played.shown())]))


@dataclass
class Tally:
    """What happened in all rounds."""

    rounds: int = 0
    processes: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    jobs: int = 0
    accepted: int = 0
    charged: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    doubts: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """By vendor, and whether it had been accepted."""
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def killed(self) -> int:
        return self.kills.total()

    def add(self, other: Tally) -> None:
        """Another worker's."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, mine + theirs)


@dataclass
class Play:
    """One round in its own folder."""

    world: World
    round: Round
    tally: Tally

    @property
    def folder(self) -> Path:
        return self.world.folder / f"round-{self.round.seed}-{self.round.number}"

    def play(self) -> None:
        """Every death, every judgement, and the end. The folder stays where something is wrong."""
        self._begin()
        for step in self.round.steps:
            self._die(step)
            self._judge(judge.at_any_moment(self._purchases(), self._book()))
        self._finish()
        self._count()
        shutil.rmtree(self.folder)

    def _begin(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        sandbox = self.world.sandbox
        sandbox.reset()
        sandbox.faults.clear()
        for number, rule in enumerate(self.round.rules):
            seed = self.round.seed * 1000 + number
            sandbox.faults.add({**rule, "id": f"{rule['effect']['kind']}-{number}", "seed": seed})
        for job, rule in self.round.own.items():
            when = {**rule["when"], "media": self._errand(job)["audio"]["sha256"]}
            name = "always" if job in self.round.always_wrong else rule["effect"]["kind"]
            sandbox.faults.add({**rule, "id": f"{name}-of-{job}", "when": when})
        with Ledger.open(self.folder / "ledger.db") as ledger:
            ledger.set_cap(CAP, per_day=True)

    def _errand(self, job: int) -> dict[str, Any]:
        vendor, shelf = self.round.vendors[job], self.world.shelf
        return {"vendor": vendor, "image": shelf.image(vendor), "audio": shelf.audio(vendor, job)}

    def _die(self, step: Step) -> None:
        errands = [self._errand(job) for job in range(step.jobs)]
        plan = self.world.plan
        mortal = plan(self.folder, errands, death=step.death, kill_after=step.kill_after)
        twins = [plan(self.folder, errands, twin=1)] if step.twin else []
        dead, *_ = self._fork(mortal, *twins)
        if dead.killed:
            self.tally.kills[step.name] += 1

    def _fork(self, *plans: dict[str, Any]) -> list[End]:
        ends = self.world.zygote.fork(*plans)
        self.tally.processes += len(ends)
        for end in ends:
            if end.code not in (0, -9):
                raise Wrong(self.round, [f"a process ended with {end.code}:", end.said])
        return ends

    def _finish(self) -> None:
        """Faults for one more run, then none, until everything has ended."""
        errands = [self._errand(job) for job in range(self.round.jobs)]
        with Ledger.open(self.folder / "ledger.db") as ledger:
            ledger.set_cap(None, per_day=True)
        before: set[tuple[str, str]] = set()
        wrong: list[str] = []
        for _ in range(FINISHING):
            (end,) = self._fork(self.world.plan(self.folder, errands))
            assert end.endings is not None
            stages = {(one["key"], one["stage"]) for one in end.endings}
            wrong = list(self._end()) if stages == before else [f"still moving: {stages}"]
            if not wrong:
                return
            before = stages
            self._forgive()
        raise Wrong(self.round, wrong)

    def _end(self) -> Iterator[str]:
        wrong = [self._errand(job)["audio"]["sha256"] for job in self.round.always_wrong]
        return judge.at_the_end(
            self.world.sandbox,
            self._book(),
            self.folder,
            jobs=self.round.jobs,
            always_wrong=wrong,
        )

    def _forgive(self) -> None:
        """The vendors behave again, but for those who never send the right video."""
        faults = self.world.sandbox.faults
        for rule, struck in faults.happened().items():
            if not rule.startswith("always"):
                self.tally.faults[rule.partition("-")[0]] += struck
                faults.remove(rule)

    def _purchases(self) -> Any:
        return self.world.sandbox.counts().purchases

    def _book(self) -> judge.Book:
        return judge.Book.read(self.folder / "ledger.db")

    def _judge(self, found: Iterator[str]) -> None:
        wrong = list(found)
        if wrong:
            raise Wrong(self.round, wrong)

    def _count(self) -> None:
        book, counts = self._book(), self.world.sandbox.counts()
        tally, bought = self.tally, judge.contents(counts.purchases)
        tally.rounds += 1
        tally.jobs += len(book.jobs)
        tally.accepted += counts.accepted()
        tally.charged += counts.charged()
        tally.stages.update(row["stage"] for row in book.latest().values())
        for row in book.doubts():
            content = book.content_of(row["job_key"])
            tally.doubts[content[0], bool(bought.get(content))] += 1
