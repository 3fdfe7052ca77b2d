"""A row is named by what it says, not by where it stands."""

from __future__ import annotations

from omnihuman_blocks.domain.row import Row


def test_a_rows_identity_is_script_locale_avatar_and_variant() -> None:
    """Two takes of one script are two rows."""
    row = Row(script_id="s", locale="de-DE", avatar_id="a", image_uri="i", provider="fal")
    assert row.identity == ("s", "de-DE", "a", 1)
