"""The join by columns finds what a plain double loop finds, whatever the tables hold."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihuman_blocks.domain.locales import admits, canonical
from omnihuman_blocks.domain.row import RejectedRow, Row
from omnihuman_blocks.edges.tables import Asked, read_tables
from omnihuman_blocks.errors import InvalidRow

NAMES = st.sampled_from(["a", "b", "c", None, "", "d\n"])
LOCALES = st.sampled_from(["de", "de-DE", "pt_BR", "pt-BR", "nothing", None, "zh-Hans-CN"])
RANGES = st.none() | st.lists(st.sampled_from(["de", "pt", "*", "zh-CN", "nothing"]), max_size=2)
ADDRESSES = st.sampled_from(["/x", "/y", None])

SCRIPTS = st.lists(
    st.fixed_dictionaries(
        {
            "script_id": NAMES,
            "locale": LOCALES,
            "avatar_id": NAMES,
            "audio_uri": ADDRESSES,
            "enabled": st.sampled_from([True, True, False, None]),
        }
    ),
    min_size=1,
    max_size=8,
)
AVATARS = st.lists(
    st.fixed_dictionaries({"avatar_id": NAMES, "image_uri": ADDRESSES, "locales": RANGES}),
    min_size=1,
    max_size=5,
)
ASKED = Asked(provider="fal", option_names=frozenset({"prompt"}), variants=2)
Cells = dict[str, Any]


def tag(text: str | None) -> str | None:
    try:
        return canonical(text or "")
    except InvalidRow:
        return None


def standing(lines: list[Cells], names: tuple[str, ...]) -> list[Cells]:
    """Usable lines, the first of each identity."""
    found: dict[tuple[Any, ...], Cells] = {}
    for line in lines:
        identity = tuple(line[name] for name in names)
        if all(identity) and not line.get("bad"):
            found.setdefault(identity, line)
    return list(found.values())


def plain_join(scripts: list[Cells], avatars: list[Cells], *, named: bool) -> list[tuple[Any, ...]]:
    spoken = [
        {**line, "locale": tag(line["locale"])} for line in scripts if line["enabled"] is not False
    ]
    shown = [
        {
            **line,
            "ranges": tuple(one if one == "*" else str(tag(one)) for one in line["locales"] or ()),
            "bad": "nothing" in (line["locales"] or ()),
        }
        for line in avatars
    ]
    identity = ("script_id", "locale", *(["avatar_id"] if named else []))
    return [
        (script["script_id"], script["locale"], avatar["avatar_id"], take, script["audio_uri"])
        for script in standing(spoken, identity)
        for avatar in standing(shown, ("avatar_id",))
        if not named or script["avatar_id"] == avatar["avatar_id"]
        if admits(avatar["ranges"], script["locale"])
        for take in (1, 2)
    ]


def columns(lines: list[Cells], names: tuple[str, ...], kinds: dict[str, pa.DataType]) -> pa.Table:
    return pa.table(
        {name: pa.array([line[name] for line in lines], kinds.get(name)) for name in names}
    )


@settings(deadline=None)
@given(scripts=SCRIPTS, avatars=AVATARS, named=st.booleans())
def test_the_join_finds_what_a_double_loop_finds(
    scripts: list[Cells], avatars: list[Cells], *, named: bool
) -> None:
    """The same rows in the same order, and every other line of scripts is told or merged."""
    names = ("script_id", "locale", "audio_uri", "enabled", *(["avatar_id"] if named else []))
    text, flag = pa.string(), pa.bool_()
    kinds = dict.fromkeys(names, text) | {"enabled": flag}
    tables = read_tables(
        columns(scripts, names, kinds),
        columns(
            avatars,
            ("avatar_id", "image_uri", "locales"),
            {"avatar_id": text, "image_uri": text, "locales": pa.list_(text)},
        ),
        ASKED,
    )
    entries = list(tables.entries())
    rows = [entry for entry in entries if isinstance(entry, Row)]
    assert [
        (row.script_id, row.locale, row.avatar_id, row.variant, row.audio_uri) for row in rows
    ] == plain_join(scripts, avatars, named=named)
    assert [entry.place for entry in entries] == list(range(len(tables)))
    told = {
        entry.rejections[0].number
        for entry in entries
        if isinstance(entry, RejectedRow) and entry.rejections[0].table == "scripts"
    }
    spoken = {row.script_row for row in rows}
    disabled = sum(line["enabled"] is False for line in scripts)
    assert not told & spoken
    assert len(told) + len(spoken) + disabled <= len(scripts)
    assert len(scripts) <= len(told) + len(spoken) + disabled + tables.lines.merged
