"""When a file on the web can be called the same as before."""

from __future__ import annotations

import pytest

from omnihuman_blocks.edges.marks import condition, mark_of

OLD, NOW = "Tue, 24 Nov 2026 10:00:00 GMT", "Thu, 26 Nov 2026 10:00:00 GMT"
JUST_NOW = "Thu, 26 Nov 2026 09:59:30 GMT"


@pytest.mark.parametrize(
    ("headers", "mark"),
    [
        ({"etag": '"abc"', "last-modified": OLD, "date": NOW}, 'etag "abc"'),
        ({"etag": 'W/"abc"'}, None),
        ({"etag": '""'}, None),
        ({"etag": "abc"}, None),
        ({"last-modified": OLD, "date": NOW, "content-length": "9"}, f"time {OLD} 9"),
        (
            {"etag": 'W/"abc"', "last-modified": OLD, "date": NOW, "content-length": "9"},
            f"time {OLD} 9",
        ),
        ({"last-modified": JUST_NOW, "date": NOW, "content-length": "9"}, None),
        ({"last-modified": OLD, "date": NOW}, None),
        ({"last-modified": OLD, "content-length": "9"}, None),
        ({"last-modified": "yesterday", "date": NOW, "content-length": "9"}, None),
        (
            {"last-modified": OLD[:-3] + "-0000", "date": NOW, "content-length": "9"},
            None,
        ),
        ({}, None),
    ],
)
def test_only_what_changes_with_the_bytes_is_a_mark(
    headers: dict[str, str], mark: str | None
) -> None:
    """A strong ETag, or a date that is old enough together with a length."""
    assert mark_of(headers) == mark


@pytest.mark.parametrize(
    ("mark", "headers"),
    [
        ('etag "a b"', {"if-none-match": '"a b"'}),
        (f"time {OLD} 9", {"if-modified-since": OLD}),
        ("9 1 1", {}),
        (None, {}),
    ],
)
def test_a_mark_makes_a_question(mark: str | None, headers: dict[str, str]) -> None:
    """In the words of the server that gave it."""
    assert condition(mark) == headers
