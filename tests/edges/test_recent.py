"""What was read last is here, and no more of it than there is room for."""

from __future__ import annotations

from omnihuman_blocks.edges.recent import Recent


def test_the_one_that_was_asked_for_longest_ago_makes_room() -> None:
    recent = Recent(10)
    recent.put("a", b"aaaa")
    recent.put("b", b"bbbb")
    assert recent.get("a") == b"aaaa"
    recent.put("c", b"cccc")
    assert [recent.get(name) for name in "abc"] == [b"aaaa", None, b"cccc"]


def test_what_comes_twice_counts_once() -> None:
    """Two who read the same thing at the same time both put it here."""
    recent = Recent(10)
    for _ in range(5):
        recent.put("a", b"aaaa")
    recent.put("b", b"bbbb")
    assert [recent.get(name) for name in "ab"] == [b"aaaa", b"bbbb"]


def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    recent = Recent(10)
    recent.put("a", b"a" * 11)
    assert recent.get("a") is None
    recent.put("b", b"b" * 10)
    assert recent.get("b") == b"b" * 10
