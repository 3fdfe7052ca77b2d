"""A vendor's name and where its key is kept -> an account that may ask there.

Keys come from the environment or from a block that Prefect stores. They are put into headers here
and travel no further than `edges/http.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from omnihuman_blocks.domain.addresses import is_web
from omnihuman_blocks.domain.pricing import Price
from omnihuman_blocks.edges.http import Account
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.providers import room as room_named
from omnihuman_blocks.providers.base import Model, Provider

NO_KEY = "none"
"""Where nothing is asked of the vendor."""
PRINTABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, kw_only=True)
class Seller:
    """One vendor as this invocation uses it: its room, our account, what we pay and allow there."""

    room: Provider
    account: Account
    agreed_price: Price | None = None
    """In place of the room's own, for all its models."""
    max_in_flight: int | None = None

    @property
    def name(self) -> str:
        return self.room.NAME

    def model(self, version: str | None) -> Model:
        """The model of a version, or the vendor's default."""
        models = self.room.MODELS
        if version is None:
            return next(iter(models.values()))
        if version not in models:
            known = ", ".join(models)
            raise CannotStart(f"{self.room.TITLE} sells no OmniHuman {version}. It sells: {known}.")
        return models[version]

    def price_of(self, model_id: str) -> Price | None:
        """The price of a model by the vendor's own word for it."""
        models = self.room.MODELS.values()
        return next((self.price(model) for model in models if model.id == model_id), None)

    def price(self, model: Model) -> Price | None:
        """What a second costs, as far as anybody has said."""
        return self.agreed_price or model.price


def account(room: Provider, api_key: str, addresses: Mapping[str, str]) -> Account:
    """An account from a key and the addresses to use, by the variables that name them."""
    key = api_key.strip()
    if not PRINTABLE.fullmatch(key):
        raise CannotStart(
            f"The key for {room.TITLE} is empty or holds characters that no key has. "
            "Copy it again from the vendor's dashboard."
        )
    chosen = {
        public: _usable(addresses.get(variable) or public, variable)
        for variable, public in room.ADDRESSES.items()
    }
    return Account(name=room.TITLE, credentials=room.auth_headers(key), addresses=chosen)


def seller_from_environment(
    name: str,
    environment: Mapping[str, str],
    *,
    agreed_price: Price | None = None,
    max_in_flight: int | None = None,
    with_key: bool = True,
) -> Seller:
    """A vendor whose key stands in the environment. Planning needs none."""
    room = room_named(name)
    api_key = environment.get(room.KEY_VARIABLE, "")
    if not with_key:
        api_key = NO_KEY
    elif not api_key:
        raise CannotStart(
            f"There is no key for {room.TITLE}. Set {room.KEY_VARIABLE}, or store the key in a "
            f"block and name it: --provider block:{room.NAME}-omnihuman/NAME."
        )
    return Seller(
        room=room,
        account=account(room, api_key, environment),
        agreed_price=agreed_price,
        max_in_flight=max_in_flight,
    )


def has_key(room: Provider, environment: Mapping[str, str]) -> bool:
    """Whether the environment holds a key for a vendor."""
    return bool(environment.get(room.KEY_VARIABLE))


def price_of(text: str) -> tuple[str, Decimal]:
    """`VENDOR=USD_PER_SECOND`, as it stands on a command line."""
    name, _, amount = text.partition("=")
    room_named(name)
    try:
        usd = Decimal(amount)
    except ArithmeticError:
        usd = Decimal(-1)
    if not usd.is_finite() or not 0 <= usd <= 1000:
        raise CannotStart(f"--price {text}: write VENDOR=USD_PER_SECOND, such as {name}=0.15.")
    return name, usd


def _usable(address: str, variable: str) -> str:
    if not is_web(address) or any(mark in address for mark in "?#@ "):
        raise CannotStart(f"{variable} is no plain http or https address.")
    return address.rstrip("/")
