"""What people see of a catalogue in Prefect, and that no key is to be seen there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Place: TypeAlias = Any
Prefect: TypeAlias = Any
"""See `conftest.py`."""

pytestmark = pytest.mark.xdist_group("commands")

TALKATIVE = {
    "PREFECT_LOGGING_LEVEL": "DEBUG",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "DEBUG",
    "PREFECT_LOGGING_TO_API_ENABLED": "true",
}


def test_a_catalogue_is_visible_in_prefect_and_no_key_is(
    place: Place, prefect: Prefect, until: Callable[..., Any]
) -> None:
    """A task run for each batch, progress, rows that are not done, a summary, the state's name."""
    place.add_rows(2)
    place.lay()
    refused = {"kind": "fails", "failure": "content"}
    media = {"media": place.digest_of("fal", 0)[:16]}
    place.sandbox.faults.add({"vendor": "fal", "when": media, "effect": refused})
    made = place.generate(**TALKATIVE)
    assert (made.code, made.rows) == (1, {"done": 7, "failed": 1}), made

    run = prefect.last_run()
    assert {line["flow_run_id"] for line in place.catalogue()} == {run["id"]}
    assert (run["state_type"], run["state_name"]) == ("FAILED", "RowsFailed")
    assert "failed" in run["state"]["message"]
    keys = {line["clip_key"]: line["provider"] for line in place.catalogue()}
    names = {f"{provider} {key[:12]}" for key, provider in keys.items()}
    ended = dict.fromkeys((*names, "catalogue.parquet"), "COMPLETED")
    until(
        lambda: {one["name"]: one["state_type"] for one in prefect.task_runs(run["id"])} == ended,
        "the last word on every task run",
    )
    assert set(run["tags"]) == {"omnihuman", *keys.values()}

    artifacts = prefect.artifacts(run["id"])
    assert artifacts.keys() == {
        *("omnihuman-progress", "omnihuman-summary"),
        *("omnihuman-not-done", "omnihuman-gallery"),
    }
    assert artifacts["omnihuman-progress"]["data"] == 100
    (missing,) = json.loads(artifacts["omnihuman-not-done"]["data"])
    assert (missing["script_id"], missing["error_class"]) == ("fal-0", "Refused")
    summary = artifacts["omnihuman-summary"]["data"]
    assert "| done | 7 |" in summary
    assert "| failed | 1 |" in summary
    assert "| de-DE | fal | 2 | 1 |" in summary
    assert until(lambda: prefect.logs(run["id"]), "the logs")

    databases = Path(os.environ["PREFECT_HOME"]).glob("prefect.db*")
    stored = b"".join(file.read_bytes() for file in databases)
    assert run["id"].replace("-", "").encode() in stored.replace(b"-", b"")
    for vendor in ("runware", "fal", "pixazo", "aimlapi"):
        for secret in place.sandbox.settings.vendor(vendor).key.split(":"):
            assert secret.encode() not in stored
