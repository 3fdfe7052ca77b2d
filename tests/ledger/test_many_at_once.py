"""Several processes, one ledger, the same jobs: each is bought once, and all of them end."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.pricing import upper_bound
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import VENDORS

EACH = 2
SILENCE_SECONDS = 180.0
"""Longer than any of these processes is busy without a word."""
Row = tuple[str, str, str]


def sound(number: int) -> bytes:
    """A second of noise that is like no other number's."""
    dice = np.random.default_rng(number)
    loudness = np.interp(np.arange(8000), np.linspace(0, 8000, 8), 0.3 + 0.7 * dice.random(8))
    samples = np.clip(loudness * dice.standard_normal(8000) * 0.3, -1, 1)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


@pytest.fixture
def rows(sandbox: Sandbox) -> Callable[..., list[Row]]:
    """Rows of a table whose media everybody can read."""

    def make(vendors: tuple[str, ...] = VENDORS, each: int = EACH) -> list[Row]:
        picture = io.BytesIO()
        Image.new("RGB", (320, 320), (90, 90, 120)).save(picture, "png")
        face = sandbox.host("face.png", picture.getvalue(), "image/png")
        return [
            (vendor, face, sandbox.host(f"{place}{n}.wav", sound(10 * place + n), "audio/wav"))
            for n in range(each)
            for place, vendor in enumerate(vendors)
        ]

    return make


def _state_of(pid: int) -> str:
    """What the kernel calls it: R for running, T for stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Crowd:
    """Processes of `buyers.py`, and what they have said."""

    def __init__(self, sandbox: Sandbox) -> None:
        script = Path(__file__).with_name("buyers.py")
        self.process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.environment = dict(sandbox.environment)
        self.folder = ""
        self.said: list[dict[str, Any]] = []
        self.born: list[int] = []
        self.until(lambda one: "ready" in one)

    def begin(self, ledger: str, rows: list[Row], **wishes: Any) -> int:
        """One more process; its number."""
        common = {"environment": self.environment, "folder": self.folder}
        wish = {**common, "ledger": ledger, "rows": rows, **wishes}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(wish).encode() + b"\n")
        self.process.stdin.flush()
        pid = int(self.until(lambda one: one.get("began") not in (None, *self.born))["began"])
        self.born.append(pid)
        return pid

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first thing said that is wanted, sooner or later."""
        while not (found := [one for one in self.said if wanted(one)]):
            assert self.process.stdout is not None
            heard, _, _ = select.select([self.process.stdout], [], [], SILENCE_SECONDS)
            assert heard, f"nobody says anything any more: {self.said}"
            line = self.process.stdout.readline()
            assert line, f"the crowd ended with {self.process.wait(10)}: {self.said}"
            self.said.append(json.loads(line))
        return found[0]

    def stops(self, pid: int) -> None:
        """It says so just before it does, and a signal to go on that came between would be lost."""
        self.until(lambda one: one["pid"] == pid and "stopped" in one)
        while _state_of(pid) != "T":
            os.sched_yield()

    def end(self, pid: int) -> dict[str, Any]:
        """How a process ended."""
        ended = self.until(lambda one: one["pid"] == pid and "ended" in one)
        assert "broke" not in ended, ended
        return ended

    def close(self) -> None:
        for pid in self.born:
            if not any(one["pid"] == pid and "ended" in one for one in self.said):
                for number in (signal.SIGCONT, signal.SIGKILL):
                    if Path(f"/proc/{pid}").exists():
                        os.kill(pid, number)
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture(scope="session")
def all_crowds(shop: Sandbox) -> Iterator[Crowd]:
    crowd = Crowd(shop)
    yield crowd
    crowd.close()


@pytest.fixture
def crowd(all_crowds: Crowd, sandbox: Sandbox, tmp_path: Path) -> Crowd:
    """Processes that put their videos into this test's folder."""
    all_crowds.folder = str(tmp_path / "out")
    return all_crowds


@pytest.mark.parametrize(("kind", "number"), [("sqlite", 2), ("postgresql", 4)])
def test_processes_share_a_catalogue_and_its_cap(
    *,
    crowd: Crowd,
    sandbox: Sandbox,
    rows: Callable[..., list[Row]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    kind: str,
    number: int,
) -> None:
    """All begin with another row at the same moment, and more than one buys; none buys twice.

    A cap at fal allows one job of two. Both see that, whoever bought it; raised, the next run ends.
    """
    address = (
        str(tmp_path / "ledger.db") if kind == "sqlite" else request.getfixturevalue("database")
    )
    table = rows()
    bound = upper_bound(PROVIDERS["fal"].MODELS["1.5"].price, Decimal(1))
    assert bound is not None
    with Ledger.open(address) as ledger:
        ledger.set_cap(bound, vendor="fal", per_day=True)
        shares = [table[n:] + table[:n] for n in range(number)]
        meeting = {"meet": str(tmp_path / "meeting"), "of": number}
        pids = [crowd.begin(address, share, **meeting) for share in shares]
        ends = [crowd.end(pid) for pid in pids]
        assert sandbox.counts().bought_twice() == ()
        assert sandbox.counts().accepted() == len(table) - 1
        assert sandbox.counts().accepted("fal") == 1
        assert sum(end["bought"] for end in ends) == len(table) - 1
        assert len([end for end in ends if end["bought"]]) > 1
        for end in ends:
            assert sorted(end["stages"]) == ["done"] * (len(table) - 1) + ["open"]
            assert [error for error in end["errors"] if error] == ["OverBudget"]
        fal = [one for one in ledger.counters() if one.scope.startswith("vendor-day:fal")]
        assert fal[0].spent_usd + fal[0].reserved_usd <= bound
        ledger.set_cap(bound * 2, vendor="fal", per_day=True)
        last = crowd.end(crowd.begin(address, table))
        assert (set(last["stages"]), last["bought"]) == ({"done"}, 1)
        assert ledger.totals().intents == len(table)
    assert sandbox.counts().accepted() == len(table)
    assert sandbox.counts().bought_twice() == ()


def test_a_killed_owner_is_taken_over_at_once_and_its_job_is_held(
    crowd: Crowd, sandbox: Sandbox, rows: Callable[..., list[Row]], tmp_path: Path
) -> None:
    """Not while it lives, though it does nothing; then without waiting for its three minutes."""
    address = str(tmp_path / "ledger.db")
    table = rows(("fal",), 1)
    owner = crowd.begin(address, table, stop_at="after the intent")
    crowd.stops(owner)
    other = crowd.begin(address, table, stop_at="before the takeover")
    with Ledger.open(address) as ledger:
        assert ledger.orphans() == []
        os.kill(owner, signal.SIGKILL)
        crowd.stops(other)
        os.kill(other, signal.SIGCONT)
        assert crowd.end(other)["stages"] == ["in_doubt"]
        (doubt,) = ledger.in_doubt()
    assert doubt.provider == "fal"
    assert sandbox.counts().accepted() == 0


@pytest.mark.parametrize("border", ["after the intent", "before the request"])
def test_an_owner_that_was_suspended_past_its_lease_buys_nothing(
    *, crowd: Crowd, sandbox: Sandbox, rows: Callable[..., list[Row]], tmp_path: Path, border: str
) -> None:
    """It wakes after another process took over, a person settled it, and a third one bought it."""
    address = str(tmp_path / "ledger.db")
    table = rows(("fal",), 1)
    sleeper = crowd.begin(address, table, stop_at=border, lease=1.5)
    crowd.stops(sleeper)
    other = crowd.end(crowd.begin(address, table))
    assert (other["stages"], other["bought"]) == (["in_doubt"], 0)
    with Ledger.open(address) as ledger:
        (doubt,) = ledger.in_doubt()
        assert ledger.rule_out(doubt, who="ada", why="not in the dashboard").stage is Stage.OPEN
        buyer = crowd.end(crowd.begin(address, table))
        assert (buyer["stages"], buyer["bought"]) == (["done"], 1)
        os.kill(sleeper, signal.SIGCONT)
        late = crowd.end(sleeper)
        assert (late["stages"], late["bought"]) == (["done"], 0)
        life = ledger.history(doubt.key)
    assert "its lease ran out" in life
    assert "[ada]" in life
    assert sandbox.counts().accepted() == 1
