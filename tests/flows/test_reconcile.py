"""`reconcile` as a flow: what can be healed is healed, the rest is named, and nothing is bought."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from omnihuman_blocks import flows
from omnihuman_blocks.sandbox.server import Sandbox

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]


def voice(number: int) -> bytes:
    samples = np.random.default_rng(number).standard_normal(8000) * 6000
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(samples.clip(-32000, 32000).astype("<i2").tobytes())
    return file.getvalue()


def lay(folder: Path, vendors: list[str]) -> None:
    """A row for each."""
    Image.new("RGB", (320, 320), (20, 90, 120)).save(folder / "face.png")
    rows = []
    for number, vendor in enumerate(vendors):
        (folder / f"{number}.wav").write_bytes(voice(number))
        row = {"script_id": f"s{number}", "locale": "en", "audio_uri": f"{number}.wav"}
        rows.append({**row, "provider": vendor})
    pq.write_table(pa.Table.from_pylist(rows), folder / "scripts.parquet")
    avatars = [{"avatar_id": "face", "image_uri": "face.png"}]
    pq.write_table(pa.Table.from_pylist(avatars), folder / "avatars.parquet")


def states(results: Path) -> dict[str, str]:
    lines = pq.read_table(results / "catalogue.parquet").to_pylist()
    return {line["script_id"]: line["state"] for line in lines}


def told(state: Any) -> dict[str, Any]:
    """What a flow has to tell, however it ended."""
    said = state.result(raise_on_failure=False)
    facts: dict[str, Any] = getattr(said, "told", said)
    return facts


def test_reconcile_heals_what_it_can_and_buys_nothing(
    tmp_path: Path, omnihuman_sandbox: Sandbox
) -> None:
    """Answers lost at Runware and fal, and a new row: the first is healed, the last not bought."""
    lay(tmp_path, ["runware", "fal"])
    results = tmp_path / "out"
    tables = (str(tmp_path / "scripts.parquet"), str(tmp_path / "avatars.parquet"), str(results))
    omnihuman_sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}})
    for operation in ("status", "result", "logs"):
        deaf = {"vendor": "runware", "operation": operation, "effect": {"kind": "refused"}}
        omnihuman_sandbox.faults.add(deaf)
    made = flows.generate_catalogue(*tables, "fal", return_state=True)
    assert made.name == "InDoubt"
    assert states(results) == {"s0": "in_doubt", "s1": "in_doubt"}

    omnihuman_sandbox.faults.clear()
    lay(tmp_path, ["runware", "fal", "fal"])
    settled = flows.reconcile(str(results), return_state=True)
    assert settled.name == "InDoubt"
    assert told(settled)["exit_code"] == 4
    assert states(results) == {"s0": "done", "s1": "in_doubt", "s2": "pending"}
    assert omnihuman_sandbox.counts().accepted() == 2
    assert omnihuman_sandbox.counts().bought_twice() == ()
