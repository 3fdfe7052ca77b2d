"""The same video has the same key, for ever; another video has another."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any, cast

import pytest

from omnihuman_blocks.domain.identity import attempt_uuid, canonical, job_key, row_id
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.options import Options, content, handling

IMAGE, AUDIO, MASK = "a" * 64, "b" * 64, "c" * 64


class Example(Options):
    resolution: str = content("1080p", "resolution", "How fine.")
    prompt: str | None = content(None, "prompt", "What to do.")
    webhook_url: str | None = handling(None, "query:hook", "Where to call.")


def key(**changes: Any) -> JobKey:
    given: dict[str, Any] = {
        "provider": "fal",
        "model": "fal-ai/bytedance/omnihuman/v1.5",
        "image": IMAGE,
        "audio": AUDIO,
        "options": Example(),
    }
    return job_key(**(given | changes))


def test_golden_keys() -> None:
    """These keys stand in people's ledgers: a change here buys their catalogues again."""
    assert key() == "6c877a0de48313dde6637696cf81438b0204222a70a5a698794494d92c0a76b1"
    assert (
        key(mask=MASK, variant=2, options=Example(prompt="wäve 👋", resolution="720p"))
        == "59707b5f0f46430ac7d86bf6ad8ffb97242bb85b02525a8247660249b32dc41d"
    )
    assert (
        key(audio={"text": "Hallo", "voice": "anna", "locale": "de-DE"})
        == "817521b0e707f2d5fcb7bf8d80043d95148ec635a7034e92eee4d5e0d146b4f7"
    )


def test_everything_that_shapes_the_video_shapes_the_key() -> None:
    """One change, another key; no two changes meet."""
    keys = [
        key(),
        key(provider="pixazo"),
        key(model="fal-ai/bytedance/omnihuman"),
        key(image=AUDIO),
        key(audio=IMAGE),
        key(mask=MASK),
        key(variant=2),
        key(options=Example(resolution="720p")),
        key(options=Example(prompt="wave")),
        key(audio={"text": AUDIO}),
    ]
    assert len(set(keys)) == len(keys)


def test_how_a_job_is_handled_does_not_shape_the_key() -> None:
    """A callback's address changes nothing in the video."""
    assert key(options=Example(webhook_url="https://x.example/hook")) == key()


def test_the_order_of_a_recipe_does_not_matter() -> None:
    """Canonical bytes sort their names."""
    assert key(audio={"a": 1, "b": 2}) == key(audio={"b": 2, "a": 1})


def test_fractions_are_canonical_and_floats_are_refused() -> None:
    """1.50 and 1.5 are one number; a float's bytes depend on who computed it."""
    assert canonical({"s": Decimal("1.50")}) == canonical({"s": Decimal("1.5")})
    with pytest.raises(TypeError, match="canonical"):
        canonical({"s": cast("Decimal", object())})


def test_an_attempts_uuid_is_a_valid_v4_and_its_own() -> None:
    """The vendor wants version 4; we want the same one after a crash, on every machine."""
    one, two = attempt_uuid(JobKey(IMAGE), 1), attempt_uuid(JobKey(IMAGE), 2)
    assert one == attempt_uuid(JobKey(IMAGE), 1) == "6822830c-f885-496c-86c6-656e9548f9b6"
    assert one != two
    assert uuid.UUID(one).version == 4
    assert uuid.UUID(one).variant == uuid.RFC_4122


@pytest.mark.parametrize("hostile", ["../../etc/x", "a\nb", "\x00", "x" * 10_000, "\ud800", "🦊"])
def test_a_rows_name_is_safe_whatever_its_ids_contain(hostile: str) -> None:
    """Ids are data, never paths."""
    name = row_id((hostile, "de-DE", "anna", 1))
    assert name.isalnum()
    assert len(name) == 24
    assert name != row_id((hostile + "x", "de-DE", "anna", 1))


def test_ids_do_not_run_into_each_other() -> None:
    """("a", "bc") is another row than ("ab", "c")."""
    assert row_id(("a", "bc", "d", 1)) != row_id(("ab", "c", "d", 1))
