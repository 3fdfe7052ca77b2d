"""Small tables that work, to be changed in the one way that a test is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.domain.row import RejectedRow, Rejection, Row
from omnihuman_blocks.edges.tables import Asked, Tables, read_tables

WISHES = frozenset({"prompt", "resolution", "seed", "turbo_mode"})
Columns = Mapping[str, Any]


class Read(Protocol):
    """Reads two tables given by their columns, or by anything that `read_tables` takes."""

    def __call__(self, scripts: Any = None, avatars: Any = None, **asked: Any) -> Tables: ...


@pytest.fixture
def scripts() -> dict[str, list[Any]]:
    """Two scripts."""
    return {
        "script_id": ["intro", "outro"],
        "locale": ["de-DE", "pt_BR"],
        "audio_uri": ["a.wav", "b.wav"],
    }


@pytest.fixture
def avatars() -> dict[str, list[Any]]:
    """Two avatars that speak everything."""
    return {"avatar_id": ["anna", "ben"], "image_uri": ["anna.png", "ben.png"]}


@pytest.fixture
def read(scripts: dict[str, list[Any]], avatars: dict[str, list[Any]]) -> Read:
    """Columns become Arrow tables; what is not given is as usual."""
    usual_scripts, usual_avatars = scripts, avatars

    def reading(scripts: Any = None, avatars: Any = None, **asked: Any) -> Tables:
        folder = asked.pop("folder", "/tables")
        usual = {"provider": "fal", "option_names": WISHES}
        spoken = usual_scripts if scripts is None else scripts
        shown = usual_avatars if avatars is None else avatars
        return read_tables(
            pa.table(spoken) if isinstance(spoken, dict) else spoken,
            pa.table(shown) if isinstance(shown, dict) else shown,
            Asked(**(usual | asked)),
            folder=folder,
        )

    return reading


@pytest.fixture
def rows() -> Callable[[Tables], list[Row]]:
    """The lines that are rows."""
    return lambda tables: [entry for entry in tables.entries() if isinstance(entry, Row)]


@pytest.fixture
def rejections() -> Callable[[Tables], list[Rejection]]:
    """Every rejection, in order."""
    return lambda tables: [
        rejection
        for entry in tables.entries()
        if isinstance(entry, RejectedRow)
        for rejection in entry.rejections
    ]


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., str]:
    """A Parquet file with these columns."""

    def write(name: str, columns: Columns) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(dict(columns)), path)
        return str(path)

    return write


@pytest.fixture
def frame() -> Callable[[Columns], pd.DataFrame]:
    """The same as a DataFrame."""
    return lambda columns: pd.DataFrame(dict(columns))
