"""The catalogue is one line per row, in the order of the tables, and says what is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import JobOutcome, RowState
from omnihuman_blocks.domain.summary import count_rows
from omnihuman_blocks.edges import dataset
from omnihuman_blocks.edges import fingerprints as fingerprint_module
from omnihuman_blocks.edges.dataset import write_catalogue, write_history, write_plan
from omnihuman_blocks.edges.recall import (
    count_bought,
    read_catalogue,
    read_makers,
    read_plan,
    recognise,
    tally_catalogue,
)
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import CannotStart

Done = Callable[..., JobOutcome]
CATALOGUE_COLUMNS = [
    "row_id",
    "script_id",
    "locale",
    "avatar_id",
    "variant",
    "clip_key",
    "parts",
    "state",
    "error_class",
    "error_message",
    "provider",
    "model",
    "ticket",
    "video_uri",
    "video_sha256",
    "video_bytes",
    "width",
    "height",
    "video_seconds",
    "checks",
    "poster_uri",
    "captions_srt_uri",
    "captions_vtt_uri",
    "captioned_uri",
    "made_from",
    "audio_seconds",
    "quote_usd",
    "cost_usd",
    "cost_basis",
    "seed",
    "ignored",
    "attempts",
    "reused",
    "submitted_at",
    "finished_at",
    "queue_seconds",
    "generate_seconds",
    "flow_run_id",
]
CARRIED = ["campaign", "scripts.name", "scripts.State", "avatars.name", "consent_until"]


def catalogue_path(workshop: Any) -> str:
    return str(workshop.folder.path("catalogue.parquet"))


def test_the_catalogue_has_the_columns_of_the_contract_and_the_carried_ones(
    workshop: Any,
) -> None:
    """In this order and with these types; a name that collides says whose it is."""
    workshop.write()
    schema = pq.read_schema(catalogue_path(workshop))
    assert schema.names == [*CATALOGUE_COLUMNS, "fingerprint", *CARRIED]
    assert schema.field("cost_usd").type == pa.decimal128(18, 6)
    assert schema.field("submitted_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("ignored").type == pa.list_(pa.string())
    assert [field.name for field in schema.field("parts").type.value_type] == [
        "job_key",
        "attempt",
        "ticket",
        "start_seconds",
        "seconds",
        "cost_usd",
        "state",
    ]
    assert schema.field("scripts.State").type == pa.int64()
    assert pa.types.is_timestamp(schema.field("consent_until").type)


def test_the_schema_does_not_depend_on_what_is_in_it(workshop: Any) -> None:
    """A catalogue of rejections has the columns of a catalogue of videos."""
    workshop.write()
    full = pq.read_schema(catalogue_path(workshop))
    workshop.scripts["locale"] = "nothing"
    workshop.write()
    assert pq.read_schema(catalogue_path(workshop)).equals(full)
    assert set(read_catalogue(workshop.folder)["state"]) == {"rejected"}


def test_a_line_says_what_became_of_its_row(workshop: Any) -> None:
    """Every value comes back as it was."""
    planned = workshop.write()
    frame = read_catalogue(workshop.folder)
    assert list(frame["script_id"]) == ["../../etc/x"] * 2 + ["b"] * 2 + ["c"] * 2
    assert list(frame["avatar_id"]) == ["anna", "ben"] * 3
    assert list(frame["scripts.name"]) == ["intro"] * 2 + ["offer"] * 2 + ["outro"] * 2
    assert list(frame["avatars.name"]) == ["Anna", "Ben"] * 3
    line = frame.iloc[2]
    assert (line["locale"], line["state"], line["clip_key"]) == (
        "pt-BR",
        "done",
        planned.rows[2].clip_key,
    )
    assert (line["cost_usd"], line["quote_usd"]) == (Decimal("1.551235"), Decimal("1.600000"))
    assert (line["video_bytes"], line["width"], line["seed"]) == (3_000_000_000, 720, 955097142)
    assert line["submitted_at"] == pd.Timestamp("2026-09-01T12:30:15.123456", tz="UTC")
    assert (line["video_seconds"], line["queue_seconds"]) == (10.04, 1.5)
    assert line["parts"][0]["job_key"] == line["clip_key"]
    assert line["parts"][0]["cost_usd"] == Decimal("1.551235")


def test_writing_the_same_again_changes_nothing(workshop: Any) -> None:
    """The catalogue is a function of the plan and the ledger, not of how often it is written."""
    workshop.write()
    before = pq.read_table(catalogue_path(workshop))
    plan_before = pq.read_table(workshop.folder.path("plan.parquet"))
    planned = workshop.write()
    assert (planned.kept, planned.rows) == (6, ())
    assert pq.read_table(catalogue_path(workshop)).equals(before)
    plan_now = pq.read_table(workshop.folder.path("plan.parquet"))
    assert plan_now.drop_columns(["verdict"]).equals(plan_before.drop_columns(["verdict"]))
    assert set(plan_now["verdict"].to_pylist()) == {"done"}


def test_rows_that_are_done_are_recognised_and_the_others_planned(
    workshop: Any, make_done: Done
) -> None:
    """Old lines and new ones stand in the order of the tables."""
    first = workshop.plan()[0]
    lost = list(first.jobs)[1]
    workshop.write({lost: JobOutcome(stage=Stage.IN_DOUBT)})
    planned, _, known = workshop.plan()
    assert [row.place for row in planned.rows] == [1]
    assert known.count == 5
    workshop.scripts = pd.concat(
        [workshop.scripts.iloc[:1].assign(script_id="new"), workshop.scripts], ignore_index=True
    )
    workshop.write({lost: make_done(lost)})
    frame = read_catalogue(workshop.folder)
    assert list(frame["script_id"]) == ["new"] * 2 + ["../../etc/x"] * 2 + ["b"] * 2 + ["c"] * 2
    assert set(frame["state"]) == {"done"}
    assert frame["row_id"].is_unique


@pytest.mark.parametrize(
    "change",
    [
        lambda shop: shop.scripts.__setitem__("prompt", ["wave", "nod", None]),
        lambda shop: shop.scripts.__setitem__("audio_uri", ["a.wav", "other.wav", "c.wav"]),
        lambda shop: shop.digests.__setitem__("/in/b.wav", "0" * 64),
        lambda shop: setattr(shop, "settings", "others"),
    ],
    ids=["wish", "address", "content", "settings"],
)
def test_whatever_may_change_a_video_makes_its_row_be_planned_again(
    workshop: Any, change: Callable[[Any], None]
) -> None:
    """Its cells, the content of its media, the settings: not only the address."""
    workshop.write()
    change(workshop)
    planned = workshop.plan()[0]
    places = [row.place for row in planned.rows]
    assert places == ([0, 1, 2, 3, 4, 5] if workshop.settings == "others" else [2, 3])


def test_a_medium_that_is_not_remembered_leaves_its_rows_unrecognised(workshop: Any) -> None:
    """A file may have changed behind its name."""
    workshop.write()
    tables = workshop.read()
    memory = workshop.memory(tables)
    del memory["/in/ben.png"]
    prints = fingerprint_module.fingerprints(tables, remembered=memory, settings="usual")
    assert [print_.is_valid for print_ in prints] == [True, False] * 3
    assert list(recognise(workshop.folder, prints).fresh) == [1, 3, 5]


def test_other_columns_change_nothing_but_themselves(workshop: Any) -> None:
    """A row whose campaign is renamed is done all the same, and carries the new name."""
    workshop.write()
    workshop.scripts["campaign"] = ["p", "q", "r"]
    assert workshop.write().kept == 6
    assert list(read_catalogue(workshop.folder)["campaign"]) == ["p", "p", "q", "q", "r", "r"]


def test_rows_that_left_the_tables_leave_the_catalogue(workshop: Any) -> None:
    """It shows what is planned now; the history keeps what was."""
    workshop.write()
    workshop.scripts = workshop.scripts.iloc[[2, 0]]
    workshop.write()
    frame = read_catalogue(workshop.folder)
    assert list(frame["script_id"]) == ["c"] * 2 + ["../../etc/x"] * 2
    planned = read_plan(workshop.folder)
    assert list(planned["place"]) == [0, 1, 2, 3]
    assert list(planned["script_row"]) == [1, 1, 2, 2]
    assert list(planned["avatar_row"]) == [1, 2, 1, 2]


def test_a_recognised_row_keeps_the_price_of_its_job(workshop: Any) -> None:
    """A new row with the same video is reused, and the sum of the costs stays the bill."""
    workshop.write()
    again = workshop.scripts.iloc[:1].assign(script_id="again")
    workshop.scripts = pd.concat([again, workshop.scripts], ignore_index=True)
    planned = workshop.write()
    assert [row.is_reused for row in planned.rows] == [True, True]
    frame = read_catalogue(workshop.folder)
    assert list(frame["state"]) == ["done"] * 8
    assert sum(frame["cost_usd"]) == 6 * Decimal("1.551235")
    assert list(frame["reused"]) == [True, True] + [False] * 6


def test_a_catalogue_of_another_version_is_not_trusted(workshop: Any) -> None:
    """Its rows are planned again; the ledger knows what was bought."""
    workshop.write()
    path = catalogue_path(workshop)
    pq.write_table(pq.read_table(path).drop_columns(["clip_key"]), path)
    assert workshop.plan()[0].kept == 0


def test_a_broken_catalogue_stops_everything(workshop: Any) -> None:
    """It is replaced whole or not at all, so something else has touched it."""
    workshop.write()
    Path(catalogue_path(workshop)).write_bytes(b"PAR1 broken")
    with pytest.raises(CannotStart, match=r"catalogue\.parquet cannot be read.*from the ledger"):
        workshop.plan()
    with pytest.raises(CannotStart, match="cannot be read"):
        read_catalogue(workshop.folder)


def test_a_catalogue_that_changed_meanwhile_is_not_mixed_with_another(workshop: Any) -> None:
    """Lines are looked up by fingerprint, so that none can stand in the place of another."""
    workshop.write()
    planned, tables, known = workshop.plan()
    workshop.scripts["prompt"] = "else"
    workshop.write()
    with pytest.raises(CannotStart, match="changed while this ran"):
        write_plan(workshop.folder, planned, tables, known)
    with pytest.raises(CannotStart, match="changed while this ran"):
        write_catalogue(workshop.folder, planned, {}, tables, known)


def test_a_line_that_was_forgotten_is_an_error_of_ours(workshop: Any) -> None:
    """A catalogue never has a hole that nobody noticed."""
    planned, tables, known = workshop.plan()
    with pytest.raises(ValueError, match="neither planned nor recognised"):
        write_plan(workshop.folder, replace(planned, rows=planned.rows[1:]), tables, known)


def test_a_vendors_broken_words_do_not_stop_the_catalogue(workshop: Any, make_done: Done) -> None:
    """Half a sign, and a seed that no column can hold."""
    key, other, *_ = workshop.plan()[0].jobs
    workshop.write(
        {
            key: JobOutcome(stage=Stage.FAILED, error_class="Refused", error_message="a\ud800b\0"),
            other: make_done(other, seed=2**70),
        }
    )
    frame = read_catalogue(workshop.folder)
    assert frame["error_message"][0] == "a?b\0"
    assert pd.isna(frame["seed"][1])


def test_rejected_rows_have_lines_with_their_reasons(workshop: Any) -> None:
    """In their place, with a name of their own."""
    workshop.scripts["locale"] = ["de-DE", "nothing", "fr"]
    workshop.write()
    frame = read_catalogue(workshop.folder)
    assert list(frame["state"]) == ["done", "done", "rejected", "done", "done"]
    assert frame["error_class"][2] == "InvalidRow"
    assert "no language tag" in frame["error_message"][2]
    assert frame["row_id"].is_unique
    assert (frame["script_id"][2], frame["campaign"][2]) == ("b", "y")
    assert pd.isna(frame["avatars.name"][2])
    (mend,) = pq.read_table(workshop.folder.path("rejections.parquet")).to_pylist()
    assert (mend["table"], mend["row"], mend["column"], mend["rows"]) == ("scripts", 2, "locale", 1)
    assert mend["reason"] in frame["error_message"][2]
    workshop.scripts["locale"] = ["de-DE", "es", "fr"]
    workshop.write()
    assert pq.read_table(workshop.folder.path("rejections.parquet")).num_rows == 0


# --- who reads it -----------------------------------------------------------------------------


def test_everybody_reads_the_catalogue(workshop: Any) -> None:
    """pandas, pyarrow, DuckDB and Polars see the same rows, sums and times."""
    workshop.write()
    path = catalogue_path(workshop)
    total = 6 * Decimal("1.551235")
    assert pd.read_parquet(path)["cost_usd"].sum() == total
    assert pa.compute.sum(pq.read_table(path)["cost_usd"]).as_py() == total
    with duckdb.connect() as duck:
        query = (
            "select sum(cost_usd), max(submitted_at at time zone 'UTC'), count(*), "
            'sum(len(parts)), any_value(parts[1].state), min("scripts.State") from read_parquet(?)'
        )
        found = duck.execute(query, [path]).fetchone()
    moment = datetime(2026, 9, 1, 12, 30, 15, 123456, tzinfo=UTC)
    assert found == (total, moment.replace(tzinfo=None), 6, 6, "done", 1)
    frame = pl.read_parquet(path)
    assert frame["cost_usd"].sum() == total
    assert frame["submitted_at"].max() == moment
    assert frame["parts"].list.first().struct.field("state").to_list() == ["done"] * 6
    assert set(CATALOGUE_COLUMNS) <= set(frame.columns)


def test_the_plan_has_all_that_a_later_command_needs(workshop: Any) -> None:
    """Addresses, media, options, verdicts, rejections and carried columns of every line."""
    workshop.scripts["locale"] = ["de-DE", "nothing", "fr"]
    planned = workshop.write()
    frame = read_plan(workshop.folder)
    assert list(frame["place"]) == list(range(5))
    assert list(frame["verdict"]) == ["new", "new", "rejected", "new", "new"]
    first = frame.iloc[0]
    assert (first["audio_uri"], first["image"]["uri"]) == ("/in/a.wav", "/in/anna.png")
    assert first["options"] == '{"prompt":"wave"}'
    assert first["parts"][0]["audio"]["sha256"] == planned.rows[0].parts[0].job.audio.sha256
    assert first["parts"][0]["quote_usd"] == first["quote_usd"] == Decimal("1.600000")
    assert first["bound_usd"] == Decimal("1.760000")
    assert frame["rejections"][2][0]["column"] == "locale"
    assert frame["rejections"][2][0]["row"] == 2
    assert list(frame["campaign"]) == ["x", "x", "y", "z", "z"]


def test_the_catalogue_is_counted_by_column(workshop: Any, make_done: Done) -> None:
    """By state, locale and vendor, with what it cost and how often that is not known."""
    keys = list(workshop.plan()[0].jobs)
    workshop.write({keys[0]: JobOutcome(stage=Stage.ACCEPTED), keys[2]: make_done(keys[2])})
    tallies = tally_catalogue(workshop.folder)
    counts = count_rows(tallies)
    assert (counts[RowState.DONE], counts[RowState.PENDING]) == (5, 1)
    assert sum(tally.cost_usd for tally in tallies) == 5 * Decimal("1.551235")
    assert sum(tally.video_seconds for tally in tallies) == Decimal("50.2")
    (waiting,) = (tally for tally in tallies if tally.state is RowState.PENDING)
    assert (waiting.locale, waiting.provider, waiting.unknown_costs) == ("de-DE", "fal", 1)
    assert count_bought(workshop.folder) == 5


def test_a_folder_without_a_catalogue_says_so(tmp_path: Path) -> None:
    """And counts as one in which nothing is done."""
    folder = ResultsFolder.at(tmp_path / "none")
    assert (count_bought(folder), tally_catalogue(folder)) == (0, [])
    assert read_makers(folder, ["a"]) == {}
    with pytest.raises(CannotStart, match=r"has no `catalogue\.parquet`"):
        read_catalogue(tmp_path / "none")


def test_makers_are_those_of_done_rows(workshop: Any) -> None:
    """Only of the rows that are asked about."""
    planned = workshop.plan()[0]
    waiting, other = list(planned.jobs)[:2]
    workshop.write({waiting: JobOutcome(stage=Stage.ACCEPTED)})
    rows = [row.row_id for row in planned.rows]
    assert read_makers(workshop.folder, rows[:2]) == {rows[1]: "fal"}
    assert other == planned.rows[1].clip_key


def test_every_invocation_leaves_a_file_in_the_history(workshop: Any) -> None:
    """With the lines that it looked at, in one schema, whatever the tables carry."""
    planned, *_ = workshop.plan()
    moment = datetime(2026, 9, 1, 12, tzinfo=UTC)
    names = [
        write_history(workshop.folder, each, {}, began_at=moment, ended_at=moment)
        for each in (planned, planned, replace(planned, rows=()))
    ]
    assert len(set(names)) == 3
    assert all(name.startswith("history/20260901T120000Z-") for name in names)
    whole = pq.read_table(workshop.folder.path("history"))
    assert whole.num_rows == 12
    assert whole.schema.names == ["began_at", "ended_at", *CATALOGUE_COLUMNS]
    assert workshop.folder.names("history") == sorted(Path(name).name for name in names)


def test_a_catalogue_of_many_batches_is_written_in_order(
    workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old lines and new ones in turn, and the last batch is not full."""
    for module in (dataset, fingerprint_module):
        monkeypatch.setattr(module, "BATCH_LINES", 8)
    count = 70
    workshop.scripts = pd.DataFrame(
        {
            "script_id": [f"s{number}" for number in range(0, count, 2)],
            "locale": "de",
            "audio_uri": "a.wav",
            "number": np.arange(0, count, 2),
        }
    )
    workshop.avatars = workshop.avatars.iloc[:1]
    workshop.write()
    workshop.scripts = pd.DataFrame(
        {
            "script_id": [f"s{number}" for number in range(count)],
            "locale": "de",
            "audio_uri": "a.wav",
            "number": np.arange(count),
        }
    )
    assert workshop.write().kept == count // 2
    table = pq.read_table(catalogue_path(workshop), columns=["script_id", "number"])
    assert table["number"].to_pylist() == list(range(count))
    assert table["script_id"].to_pylist() == [f"s{number}" for number in range(count)]
