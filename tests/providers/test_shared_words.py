"""The words that all rooms share: ids, addresses, excerpts, and questions about paid jobs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from omnihuman_blocks.domain.job import Bill, MediaKind, Output, Ready, Upload
from omnihuman_blocks.domain.wire import (
    EXCERPT_CHARS,
    HttpReply,
    check_poll,
    excerpt,
    ident,
    is_web_address,
    optional_whole,
    ornament,
    segment,
    web_address,
)
from omnihuman_blocks.errors import AccountBlocked, InvalidRow, Transient, Unreadable
from omnihuman_blocks.providers.fal_models import FalOptions


@pytest.mark.parametrize(
    ("address", "is_one"),
    {
        "https://cdn.example/v.mp4?sig=a%20b": True,
        "http://127.0.0.1:8000/v.mp4": True,
        "https://[::1]/v.mp4": True,
        "HTTPS://CDN.EXAMPLE/v.mp4": True,
        "https://cdn.example/ü.mp4": True,
        "ftp://cdn.example/v.mp4": False,
        "file:///etc/passwd": False,
        "data:video/mp4;base64,AAAA": False,
        "//cdn.example/v.mp4": False,
        "https://": False,
        "https:///v.mp4": False,
        "https://[broken/v.mp4": False,
        "https://cdn.example:port/v.mp4": False,
        "https://cdn.example:0/v.mp4": False,
        "https://cdn.example/a b.mp4": False,
        "https://cdn.example/\nv.mp4": False,
        "https://cdn.example/\ud800": False,
        "": False,
    }.items(),
)
def test_a_web_address_has_a_scheme_and_a_host(*, address: str, is_one: bool) -> None:
    """Whatever else a vendor calls an address is not fetched."""
    assert is_web_address(address) is is_one
    if is_one:
        assert web_address({"url": address}, "url") == address
    else:
        with pytest.raises(Unreadable):
            web_address({"url": address}, "url")


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a\x00b", "\ud800", 7, None, ["a"]])
def test_an_id_is_a_printable_text_that_is_no_place(name: object) -> None:
    """What could not be stored or would lead elsewhere is not an id."""
    with pytest.raises(Unreadable):
        ident({"id": name}, "id")  # type: ignore[dict-item]


def test_an_id_in_an_address_stays_one_piece() -> None:
    """Nothing in it begins a path, a query or a fragment."""
    assert segment("../a?b#c:ü") == "..%2Fa%3Fb%23c%3A%C3%BC"
    with pytest.raises(Unreadable):
        segment("..")


def test_an_excerpt_is_one_printable_line() -> None:
    """A vendor's words cannot paint the terminal, break a database or fill a log."""
    assert excerpt("a\x1b[31m\n\tb\x00\ud800c") == "a [31m b c"
    assert excerpt("x" * 10**6) == "x" * EXCERPT_CHARS + "…"


def test_an_ornament_that_cannot_be_read_is_missing() -> None:
    """A seed that is a word does not lose a video."""
    assert ornament(optional_whole, {"seed": 7}, "seed") == 7
    assert ornament(optional_whole, {"seed": "many"}, "seed") is None


@pytest.mark.parametrize("status", [400, 404, 410, 422, 429, 500, 503])
def test_no_status_is_a_verdict_on_a_paid_job(status: int) -> None:
    """The question is asked again, with the pause that the vendor wishes for."""
    with pytest.raises(Transient) as caught:
        check_poll(HttpReply(status=status, headers={"retry-after": "5"}))
    assert caught.value.retry_after == 5


def test_a_question_can_find_the_account_blocked() -> None:
    """That is not about the job, and asking again would not help."""
    with pytest.raises(AccountBlocked):
        check_poll(HttpReply(status=403))


def test_a_bill_of_several_videos_is_their_sum_or_unknown() -> None:
    """One that does not say its cost makes the sum unknown, never smaller."""

    def bill(*costs: Decimal | None) -> Bill:
        outputs = [Output(url="https://v.example", bill=Bill(usd=cost)) for cost in costs]
        return Ready(outputs=tuple(outputs)).bill

    assert bill(Decimal("1.5"), Decimal("1.25")) == Bill(usd=Decimal("2.75"))
    assert bill(Decimal("1.5"), None) == Bill()
    assert bill() == Bill()


def test_a_medium_can_be_its_own_address() -> None:
    """And its bytes are not printed with it."""
    medium = Upload(kind=MediaKind.IMAGE, name="a.png", media_type="image/png", content=b"\x00\x01")
    assert medium.data_uri == "data:image/png;base64,AAE="
    assert "x01" not in repr(medium)


def test_an_address_that_a_vendor_is_told_fits_a_header() -> None:
    """ASCII only: some of them travel in one."""
    assert FalOptions.understand({"webhook_url": "https://hooks.example/x"})
    with pytest.raises(InvalidRow, match="webhook_url"):
        FalOptions.understand({"webhook_url": "https://hooks.example/ü"})
