"""Wishes become typed, limited options; what cannot be honoured is named."""

from __future__ import annotations

from typing import Literal

import pytest

from omnihuman_blocks.domain.options import Options, content, handling
from omnihuman_blocks.errors import InvalidRow


class Example(Options):
    prompt: str | None = content(None, "positivePrompt", "What to do.")
    quality: int = content(95, "outputQuality", "How fine.", ge=20, le=99)
    safe: bool | None = handling(None, "safety.check", "Look at it.")
    mode: Literal["none", "fast"] | None = handling(None, "safety.mode", "How.")
    no_retry: bool | None = handling(None, "header:X-No-Retry", "Do not.")
    webhook_url: str | None = handling(None, "query:hook", "Where to call.")
    inner: int | None = handling(None, "", "The room decides.")


def test_wishes_become_options_under_the_vendors_names() -> None:
    """Body, headers and query each get theirs; what is absent is not sent."""
    wishes = {
        "prompt": "wave",
        "safe": True,
        "mode": "fast",
        "no_retry": "true",
        "webhook_url": "https://x",
        "inner": 3,
    }
    options, ignored = Example.understand(wishes)
    assert options.body() == {
        "positivePrompt": "wave",
        "outputQuality": 95,
        "safety": {"check": True, "mode": "fast"},
    }
    assert options.headers() == {"X-No-Retry": "1"}
    assert options.params() == {"hook": "https://x"}
    assert ignored == ()
    assert Example.understand({"no_retry": False})[0].headers() == {"X-No-Retry": "0"}


def test_only_content_with_its_defaults_is_hashed() -> None:
    """A default is written out; handling and absence are not there."""
    assert Example.understand({"safe": True})[0].content() == {"quality": 95}


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_an_empty_cell_is_no_wish(empty: str | None) -> None:
    """An empty prompt and no prompt are the same video; an empty number takes its default."""
    assert Example.understand({"prompt": empty, "quality": empty})[0] == Example()
    assert Example(prompt=empty) == Example()


def test_the_same_wish_in_another_type_is_the_same_option() -> None:
    """A table's nullable integers arrive as fractions, a command line's as texts."""
    assert {Example.understand({"quality": value})[0] for value in (42, 42.0, "42", " 42 ")} == {
        Example(quality=42)
    }


@pytest.mark.parametrize("value", [19, 100, 42.5, "high", [1]])
def test_a_wrong_wish_names_its_column(value: object) -> None:
    """What is known and wrong is not sent."""
    with pytest.raises(InvalidRow, match="`quality`") as caught:
        Example.understand({"quality": value})
    assert caught.value.column == "quality"


def test_wishes_that_the_model_does_not_know_are_named() -> None:
    """Sorted, and only those that are really wished for."""
    _, ignored = Example.understand({"turbo_mode": True, "resolution": "720p", "seed": None})
    assert ignored == ("resolution", "turbo_mode")
