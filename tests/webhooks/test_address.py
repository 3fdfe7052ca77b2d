"""Under which addresses a vendor can call us."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.walk.opening import Setting
from omnihuman_blocks.walk.order import Order, open_shop, require_reachable

LOCAL = {"OMNIHUMAN_FAL_URL": "http://127.0.0.1:1", "OMNIHUMAN_PIXAZO_URL": "http://10.0.0.1"}


def check(
    url: str | None,
    *,
    vendor: str = "fal",
    named: frozenset[str] = frozenset(),
    environment: Mapping[str, str] = {},
) -> None:
    order = Order(scripts="", avatars="", results="out", provider=vendor, webhook_url=url)
    shop = open_shop(order, environment, with_keys=False)
    require_reachable(order, shop, named)


@pytest.mark.parametrize("url", [None, "https://hooks.example", "https://hooks.example/a/b/"])
def test_public_https_addresses_are_fine(url: str | None) -> None:
    """With or without a path in front."""
    check(url, named=frozenset({"pixazo", "runware"}))


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example", "https://127.0.0.1:8710", "https://10.0.0.7", "http://localhost"],
)
def test_addresses_that_a_vendor_cannot_reach_are_refused(url: str) -> None:
    """Nor may a token travel in the open. AIMLAPI calls nobody, so nothing is asked of it."""
    with pytest.raises(CannotStart, match=r"fal.*cannot call"):
        check(url)
    with pytest.raises(CannotStart, match=r"Pixazo.*cannot call"):
        check(url, vendor="aimlapi", named=frozenset({"pixazo"}))
    check(url, vendor="aimlapi")
    check(url, environment=LOCAL | {"OMNIHUMAN_FAL_REST_URL": "http://127.0.0.1:1"})


@pytest.mark.parametrize(
    "url", ["", "hooks.example", "ftp://x.example", "https://a b", "https://x/?a=1", "https://é.x"]
)
def test_what_is_no_plain_address_is_refused(url: str) -> None:
    """Whoever is asked."""
    with pytest.raises(CannotStart, match="no plain address"):
        check(url, vendor="aimlapi")


def test_a_slash_at_the_end_is_no_piece_of_the_path() -> None:
    """Vendors would call `//`."""
    order = Order(
        scripts="", avatars="", results="out", provider="fal", webhook_url="https://x.example/a//"
    )
    assert Setting.of(order, "1").webhook_url == "https://x.example/a"
