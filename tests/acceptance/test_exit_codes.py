"""What stops everything: exit 2, one message that names the place, no traceback, nothing bought."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from omnihuman_blocks.sandbox.settings import VENDORS

Place: TypeAlias = Any
"""See `conftest.py`."""

STATES = {"planned", "done", "failed", "rejected", "in_doubt", "blocked", "pending"}
MEMBERS = {
    *("rows", "jobs", "bought", "reused"),
    *("quote_usd", "unpriced", "charged_usd", "results"),
}


def assert_is_plain(said: Any, *names: str) -> None:
    """One message for people on standard error, which names what is to be mended."""
    assert said.code == 2, said
    assert said.out == ""
    assert said.err.startswith("omnihuman: "), said
    assert len(said.err.strip().splitlines()) == 1, said
    assert all(name in said.err for name in names), said


@pytest.fixture
def priced(bare_place: Place) -> Place:
    """Two rows at each vendor. Nothing here needs Prefect, so there is no server."""
    bare_place.environment["PREFECT_API_URL"] = "http://127.0.0.1:9/api"
    bare_place.add_rows(2)
    bare_place.lay()
    return bare_place


def test_a_plan_spends_nothing_and_needs_no_key(priced: Place) -> None:
    """One JSON object with counts that add up and money as texts; no vendor was asked anything."""
    keys = dict.fromkeys(("RUNWARE_API_KEY", "FAL_KEY", "PIXAZO_API_KEY", "AIMLAPI_API_KEY"))
    planned = priced.plan(**keys)
    assert (planned.code, planned.rows) == (0, {"planned": 8}), planned
    assert planned.err == ""
    told = planned.told
    assert told.keys() >= MEMBERS
    assert told["rows"].keys() == STATES
    assert sum(told["rows"].values()) == 8
    assert (told["jobs"], told["bought"], told["reused"], told["results"]) == (8, 0, 0, "out")
    assert all(isinstance(told[name], str) for name in ("quote_usd", "charged_usd"))
    assert (told["quote_usd"], told["unpriced"]) == ("0.585000", 4)
    assert priced.counts().accepted() == priced.requests() == 0

    priced.scripts.append({**priced.scripts[0], "script_id": "bad", "locale": "no language"})
    priced.lay()
    rejecting = priced.plan()
    assert (rejecting.code, rejecting.rows) == (1, {"planned": 8, "rejected": 1}), rejecting
    for_people = priced.run("plan", *priced.tables_and())
    assert "scripts row 9, column `locale`" in for_people.out
    assert "no language" in for_people.out


BAD_WORDS = {
    "no such table": (["lost.parquet", "avatars.parquet"], ["lost.parquet"]),
    "tables swapped": (["avatars.parquet", "scripts.parquet"], ["avatars.parquet", "script_id"]),
    "no table at all": (["runware-0.wav", "avatars.parquet"], ["runware-0.wav"]),
    "unknown provider": (["--provider", "nobody"], ["nobody", "runware", "pixazo"]),
    "unknown option": (["--option", "resolutoin=720p"], ["resolutoin", "`resolution`"]),
    "no option": (["--option", "720p"], ["--option 720p", "KEY=VALUE"]),
    "no version": (["--option", "model=9"], ["OmniHuman 9", "1.5"]),
    "no number of takes": (["--option", "variants=many"], ["variants=many"]),
    "no budget": (["--budget", "much"], ["--budget much"]),
    "negative budget": (["--budget=-1"], ["--budget -1"]),
    "no price": (["--price", "fal=cheap"], ["--price fal=cheap"]),
    "price of nobody": (["--price", "nobody=1"], ["nobody"]),
    "ledger elsewhere": (["--ledger", "mysql://host/db"], ["mysql://", "PostgreSQL"]),
    "missing key": (["--provider", "fal"], ["FAL_KEY"]),
    "missing key of a row": (["--provider", "runware"], ["fal", "FAL_KEY"]),
}


@pytest.mark.parametrize("case", BAD_WORDS)
def test_what_cannot_start_says_why_in_one_line(priced: Place, case: str) -> None:
    """Before Prefect is started, and before anything is bought."""
    given, named = BAD_WORDS[case]
    words = [*(given[:2] if ".parquet" in given[-1] else ["scripts.parquet", "avatars.parquet"])]
    words += [] if ".parquet" in given[-1] else given
    if "--provider" not in words:
        words += ["--provider", "runware"]
    keys = {"FAL_KEY": None} if case.startswith("missing key") else {}
    said = priced.run("generate", *words, "--results", "out", "--json", **keys)
    assert_is_plain(said, *named)
    assert priced.requests() == 0
    assert not (priced.results / "catalogue.parquet").exists()


@pytest.mark.parametrize("command", ["status", "retry"])
def test_a_folder_without_results_is_none(priced: Place, command: str) -> None:
    """And is left as it was."""
    assert_is_plain(priced.run(command, "out"), "out", "omnihuman.json")
    assert not priced.results.exists()


@pytest.mark.xdist_group("commands")
def test_a_catalogue_without_its_ledger_does_not_buy_itself_again(
    place: Place, until: Callable[..., Any]
) -> None:
    """Neither where rows are done nor where they were only sent for; with it back it goes on."""
    place.add_rows(1)
    place.lay()
    place.sandbox.settings.change({vendor: {"slots": 0} for vendor in VENDORS})
    running = place.start("generate", *place.tables_and("--json"))
    until(lambda: place.requests("status") >= 4, "four tickets")
    running.signal(signal.SIGTERM)
    running.end()
    assert place.states() == {"pending": 4}
    ledger = place.results / "ledger.db"
    assert_does_not_start_without(place, ledger)

    place.sandbox.settings.change({vendor: {"slots": 10} for vendor in VENDORS})
    finished = place.generate()
    assert (finished.code, finished.rows, finished.told["bought"]) == (0, {"done": 4}, 0), finished
    assert_does_not_start_without(place, ledger)
    assert place.generate().rows == {"done": 4}
    assert place.counts().accepted() == 4
    note = json.loads((place.results / "omnihuman.json").read_text(encoding="utf-8"))
    assert note["provider"] == "runware"


def assert_does_not_start_without(place: Place, ledger: Any) -> None:
    aside = ledger.with_name("aside.db")
    ledger.rename(aside)
    commands = [["generate", *place.tables_and()], ["retry", "out"], ["status", "out"]]
    for words in [*commands, ["plan", *place.tables_and()]]:
        assert_is_plain(place.run(*words), "ledger.db", "rebuild", "--ledger")
        assert not ledger.exists()
    aside.rename(ledger)
