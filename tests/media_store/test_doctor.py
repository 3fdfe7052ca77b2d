"""Whether a store would do is found out before anybody needs it."""

from __future__ import annotations

from typing import Any

import pytest

from omnihuman_blocks.commands.doctor import look_at_store

pytestmark = pytest.mark.xdist_group("media store")

Bucket = Any


def test_a_store_that_works_is_told_from_one_that_vendors_cannot_reach(bucket: Bucket) -> None:
    """This one works, and lies on this machine; what was written there is gone again."""
    finding = look_at_store(bucket.url, None)
    assert finding.verdict == "note"
    assert "public https" in finding.said
    assert bucket.asked("PUT").total() == bucket.asked("DELETE", status="204").total() == 1


@pytest.mark.parametrize(
    ("ending", "public", "said"),
    [
        ("-gone", None, "cannot be written to"),
        ("", "http://127.0.0.1:9/media", "cannot be read now"),
        ("?key=x", None, "without keys"),
    ],
)
def test_a_store_that_does_not_work_says_why(
    bucket: Bucket, ending: str, public: str | None, said: str
) -> None:
    """Written, signed, read: each may be what is missing."""
    finding = look_at_store(f"s3://{bucket.name}{ending}", public)
    assert finding.verdict == "bad"
    assert said in finding.said
