"""Strict readers: what is there, or `Unreadable`; never a made-up value, never another error."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from omnihuman_blocks.domain import wire
from omnihuman_blocks.domain.wire import HttpReply
from omnihuman_blocks.errors import (
    AccountBlocked,
    InDoubt,
    OmniHumanError,
    Refused,
    Transient,
    Unreadable,
)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "{",
        '{"a": NaN}',
        '{"a": Infinity}',
        "[" * 100_000,
        '{"a": 1e9999999999999999999}',
    ],
)
def test_what_is_not_json_is_unreadable(body: str) -> None:
    """Pages of proxies, cut answers and numbers that are none."""
    with pytest.raises(Unreadable):
        HttpReply(status=200, text=body).json()


def test_fractions_are_read_exactly() -> None:
    """A cost of 0.1 is a tenth, not the nearest binary fraction."""
    assert HttpReply(status=200, text='{"cost": 0.1}').record() == {"cost": Decimal("0.1")}


def test_a_body_that_is_no_object_is_unreadable() -> None:
    """A list where an object belongs."""
    with pytest.raises(Unreadable, match="not a JSON object"):
        HttpReply(status=200, text="[]").record()


@pytest.mark.parametrize(
    "name", ["X-Amz-Signature", "x-goog-signature", "Signature", "sig", "X-Amz-Security-Token"]
)
def test_an_excerpt_opens_nothing(name: str) -> None:
    """What a vendor repeats of a signed address is shown without its signature."""
    said = f'cannot fetch "https://b.example/a.wav?x=1&{name}=0a%2Bf&y=2": 404'
    shown = f'cannot fetch "https://b.example/a.wav?x=1&{name}=***&y=2": 404'
    assert wire.excerpt(said) == shown


def test_an_excerpt_is_short() -> None:
    """A message quotes the beginning of a long page, on one line."""
    excerpt = HttpReply(status=200, text="a\n" * 1000).excerpt
    assert excerpt.startswith("a a a")
    assert len(excerpt) <= wire.EXCERPT_CHARS + 1
    assert HttpReply(status=200, text=" short ").excerpt == "short"


RECORD: wire.Record = {
    "text": "hello",
    "empty": "",
    "null": None,
    "whole": 7,
    "fraction": Decimal("1.5"),
    "huge": Decimal("1e30"),
    "true": True,
    "object": {"a": 1},
    "objects": [{"a": 1}],
    "mixed": [{"a": 1}, 2],
    "long": ["x" * 300],
}


def test_readers_return_what_is_there() -> None:
    """Each reader takes its own kind."""
    assert wire.text(RECORD, "text") == "hello"
    assert wire.optional_text(RECORD, "text") == "hello"
    assert wire.number(RECORD, "whole") == 7
    assert wire.optional_number(RECORD, "fraction") == Decimal("1.5")
    assert wire.optional_whole(RECORD, "whole") == 7
    assert wire.optional_flag(RECORD, "true") is True
    assert wire.nested(RECORD, "object") == {"a": 1}
    assert wire.optional_nested(RECORD, "object") == {"a": 1}
    assert wire.records(RECORD, "objects") == [{"a": 1}]


def test_optional_readers_take_absence_and_null_alike() -> None:
    """Vendors send null and leave out."""
    for name in ("null", "missing"):
        assert wire.optional_text(RECORD, name) is None
        assert wire.optional_number(RECORD, name) is None
        assert wire.optional_whole(RECORD, name) is None
        assert wire.optional_flag(RECORD, name) is None
        assert wire.optional_nested(RECORD, name) == {}
        assert wire.records(RECORD, name) == []
    assert wire.optional_text(RECORD, "empty") is None


@pytest.mark.parametrize("name", ["missing", "empty", "null", "whole", "long"])
def test_a_text_that_is_not_there_is_unreadable(name: str) -> None:
    """An empty id is no id."""
    with pytest.raises(Unreadable, match=f"`{name}`"):
        wire.text(RECORD, name)


@pytest.mark.parametrize("name", ["missing", "null", "text", "true", "huge"])
def test_a_number_that_is_none_is_unreadable(name: str) -> None:
    """`true` is not 1, and no video costs 10 to the 30."""
    with pytest.raises(Unreadable, match=f"`{name}`"):
        wire.number(RECORD, name)


def test_other_kinds_are_unreadable() -> None:
    """A wrong kind is said, not bent."""
    with pytest.raises(Unreadable):
        wire.optional_whole(RECORD, "true")
    with pytest.raises(Unreadable):
        wire.optional_whole(RECORD, "fraction")
    with pytest.raises(Unreadable):
        wire.optional_flag(RECORD, "whole")
    with pytest.raises(Unreadable):
        wire.nested(RECORD, "null")
    with pytest.raises(Unreadable):
        wire.records(RECORD, "mixed")
    with pytest.raises(Unreadable):
        wire.records(RECORD, "object")


@pytest.mark.parametrize(
    ("status", "question", "purchase"),
    [
        (302, Unreadable, Unreadable),
        (400, Refused, Refused),
        (401, AccountBlocked, AccountBlocked),
        (402, AccountBlocked, AccountBlocked),
        (403, AccountBlocked, AccountBlocked),
        (404, Refused, Refused),
        (408, Transient, InDoubt),
        (422, Refused, Refused),
        (425, Transient, InDoubt),
        (429, Transient, Transient),
        (499, Refused, InDoubt),
        (500, Transient, InDoubt),
        (503, Transient, InDoubt),
    ],
)
def test_a_status_means_one_thing_for_questions_and_one_for_purchases(
    status: int, question: type[OmniHumanError], purchase: type[OmniHumanError]
) -> None:
    """Behind a gateway's stumble a purchase may have been accepted; a question costs nothing."""
    reply = HttpReply(status=status, text="said so")
    with pytest.raises(question, match="said so"):
        wire.check_status(reply)
    with pytest.raises(purchase, match="out of eggs"):
        wire.check_purchase(reply, "out of eggs")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_passes(status: int) -> None:
    """Nothing is raised for a yes."""
    wire.check_status(HttpReply(status=status))
    wire.check_purchase(HttpReply(status=status))


NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "1e300"}, wire.LONGEST_WAIT_SECONDS),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 -0000"}, 30.0),
        (
            {
                "retry-after": "Sat, 21 Nov 2020 12:00:30 GMT",
                "date": "Sat, 21 Nov 2020 12:00:00 GMT",
            },
            30.0,
        ),
        ({"retry-after": "Sat, 21 Nov 2020 12:00:30 GMT"}, 0.0),
    ],
)
def test_retry_after_is_understood_in_both_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    """Seconds or a date; a date is measured by the vendor's own clock where it tells it."""
    reply = HttpReply(status=429, headers=headers, received_at=NOW)
    assert wire.retry_after(reply) == seconds


def test_a_transient_error_carries_the_vendors_wish() -> None:
    """Whoever waits need not read headers."""
    with pytest.raises(Transient) as caught:
        wire.check_status(HttpReply(status=429, headers={"retry-after": "9"}))
    assert caught.value.retry_after == 9
