"""What a person reads of a ledger, and what becomes of what a person says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa

from omnihuman_blocks.cli import main
from omnihuman_blocks.domain.job import Job, JobKey
from omnihuman_blocks.edges.ledger import Intended, Ledger, Wish
from omnihuman_blocks.edges.ledger.schema import versions
from omnihuman_blocks.edges.note import Note, write_note
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import InDoubt
from omnihuman_blocks.sandbox.server import Sandbox

Doubtful = Callable[..., JobKey]


@pytest.fixture
def results(tmp_path: Path) -> str:
    folder = str(tmp_path)
    note = Note(scripts="s.csv", avatars="a.csv", provider="fal", options={}, ledger=None)
    write_note(ResultsFolder.at(folder), note)
    return folder


@pytest.fixture
def doubtful(
    results: str, make_job: Callable[..., Job], make_wish: Callable[..., Wish]
) -> Doubtful:
    """A purchase whose answer was lost."""

    def lose(number: int, **wishes: object) -> JobKey:
        job = make_job(f"{number}abcdef")
        with Ledger.open(Path(results) / "ledger.db") as ledger:
            claim = ledger.intend(make_wish(job, **wishes))
            assert isinstance(claim, Intended)
            ledger.lose(claim, InDoubt("fal hung up"))
        return job.key

    return lose


def test_a_doubt_says_when_how_much_and_what_to_look_for(
    results: str, doubtful: Doubtful, capsys: pytest.CaptureFixture[str]
) -> None:
    """Enough to find it at the vendor, and the two commands that settle it."""
    key = doubtful(1)
    doubtful(2, upper_bound=None)
    assert main(["reconcile", results]) == 4
    said = capsys.readouterr().out
    assert "up to $1.50" in said
    assert "at an unknown price" in said
    assert "https://store.example/line.wav" in said
    assert "fal hung up" in said
    assert said.count("What to check at fal") == 1
    assert f"omnihuman reconcile {results} --job {key[:12]} --not-bought" in said
    assert main(["ledger", "show", key, "--results", results]) == 0
    said = capsys.readouterr().out
    assert "Now in doubt: it may have been bought, and is not bought again; $1.50 set" in said
    assert "What to check at fal" in said


def test_every_decision_is_an_event_with_who_and_when(
    results: str,
    doubtful: Doubtful,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One was bought under a ticket, one was not; money is kept for the first, given back for the
    second. The same ticket for both is a mistake, and changes nothing."""
    monkeypatch.setenv("LOGNAME", "ada")
    first, second = doubtful(1), doubtful(2)
    assert main(["reconcile", results, "--job", first, "--ticket", "T-1"]) == 4
    assert main(["reconcile", results, "--job", second, "--ticket", "T-1"]) == 2
    assert f"belongs to job {first[:12]} already" in capsys.readouterr().err
    assert main(["reconcile", results, "--job", second, "--not-bought"]) == 0
    assert main(["reconcile", results, "--job", second, "--not-bought"]) == 2
    assert "is not in doubt" in capsys.readouterr().err
    with Ledger.open(Path(results) / "ledger.db") as ledger:
        last = [ledger.happenings(key)[-1] for key in (first, second)]
        assert [one.event for one in last] == ["adopt", "rule_out"]
        assert all(one.who.startswith("ada on ") for one in last)
        assert ledger.happenings(first)[0].at <= last[0].at <= last[1].at
        assert ledger.totals().reserved_usd == Decimal("1.5")


def test_a_ticket_that_the_vendor_does_not_know_settles_nothing(
    results: str,
    doubtful: Doubtful,
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mistyped it would wait for ever, and nobody could take it back. Without a key it is taken
    as it is said, and that is said, too."""
    key = doubtful(1)
    words = ["reconcile", results, "--job", key, "--ticket", "mistyped"]
    with monkeypatch.context() as patch:
        for name, value in sandbox.environment.items():
            patch.setenv(name, value)
        assert main(words) == 2
        assert sandbox.counts().vendors["fal"].requests
    assert "fal does not confirm ticket mistyped" in capsys.readouterr().err
    with Ledger.open(Path(results) / "ledger.db") as ledger:
        assert len(ledger.in_doubt()) == 1
    assert main(words) == 0
    assert "Not checked with fal: there is no FAL_KEY here." in capsys.readouterr().out


def test_a_ledger_of_a_newer_program_stops_every_command(
    results: str, doubtful: Doubtful, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what to do, and the ledger is left as it is."""
    key = doubtful(1)
    file = Path(results) / "ledger.db"
    with Ledger.open(file) as ledger, ledger._store._writer.begin() as connection:
        connection.execute(sa.insert(versions).values(version=99, applied_at=sa.func.now()))
    before = file.read_bytes()
    for words in (["reconcile", results], ["ledger", "show", key, "--results", results]):
        assert main(words) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
        assert "version 99" in said.err
        assert "pip install --upgrade" in said.err
    assert file.read_bytes() == before
