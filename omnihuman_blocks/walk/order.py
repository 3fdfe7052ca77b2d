"""What somebody asks for, as plain data -> who sells it, at what price, and what they offer."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from omnihuman_blocks.domain.addresses import is_public, without_credentials
from omnihuman_blocks.domain.invocation import Invocation, understand_options, wish_columns
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.planning import Offer
from omnihuman_blocks.domain.pricing import Price
from omnihuman_blocks.domain.sharding import WHOLE, Shard
from omnihuman_blocks.domain.wire import is_web_address
from omnihuman_blocks.edges.sources import Given
from omnihuman_blocks.edges.store import MediaStore, StorePlace
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.providers import PROVIDERS, room
from omnihuman_blocks.walk.accounts import Seller, seller_from_environment

BLOCK = "block:"
SEVERAL = "number_results"
"""An option that makes one job several videos. A row of a catalogue is one video."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """Which failed jobs are bought once more. Without classes: those that cost nothing."""

    classes: frozenset[str] = frozenset()
    """Error classes that somebody named, whatever they cost."""
    is_scheduled: bool = False
    """It comes around by itself, so there is a number of attempts after which it leaves a job."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One invocation: tables, where to, who makes it, and how much it may cost."""

    scripts: Given
    avatars: Given
    results: str
    provider: str
    """A vendor's name, or `block:TYPE-SLUG/NAME`."""
    options: Mapping[str, object] = field(default_factory=dict)
    budget: Decimal | None = None
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    max_in_flight: int | None = None
    again: Again | None = None
    strict: bool = False
    no_split: bool = False
    """Speech that no vendor takes whole rejects its row, and is not bought in parts."""
    checks: Mapping[str, str] = field(default_factory=dict)
    """Thresholds of the checks by name; `off` turns one off."""
    soft_captions: bool = False
    """Whether each video is also kept with its captions as a track of its own."""
    ledger: str | None = None
    media_store: str | None = None
    """Bucket for media that a vendor takes no upload of; without one, as the block says."""
    media_store_public: str | None = None
    """The address at which everybody can read it; without one, addresses are signed."""
    webhook_url: str | None = None
    """Under this address vendors reach `omnihuman webhooks`; never part of what is bought."""
    patience_seconds: float = 2 * 3600.0
    speech: str | None = None
    """Who speaks text: `espeak`, `openai:URL` or `block:NAME`; the embedded voice where unsaid."""
    voices: str | None = None
    """Address of the file that gives names to voices."""
    lexicon: str | None = None
    """Address of the table that says how words are said."""
    shard: Shard = WHOLE
    """Which of the rows this process walks. The plan is of all of them."""
    batches: int | None = None
    """Into so many batches the jobs are divided, where each batch is one worker's whole share."""
    budget_name: str | None = None
    """Processes that name one budget alike share it."""

    @property
    def callback_base(self) -> str | None:
        """What is put before `/VENDOR/TOKEN`."""
        return None if self.webhook_url is None else self.webhook_url.rstrip("/")

    def with_store(self, media_store: str | None, media_store_public: str | None) -> Order:
        """With another store, where one is named."""
        if not media_store and not media_store_public:
            return self
        url = media_store or self.media_store
        return replace(self, media_store=url, media_store_public=media_store_public)

    @property
    def ledger_address(self) -> str:
        """The ledger's file lies beside the results unless another is named."""
        if self.ledger is not None:
            return self.ledger
        if "://" in self.results and not self.results.startswith("file://"):
            raise CannotStart(
                "Results in object storage need a ledger elsewhere: name a file on a local disk or "
                "a PostgreSQL database with --ledger."
            )
        return os.path.join(self.results.removeprefix("file://"), "ledger.db")  # noqa: PTH118 - an address


@dataclass(frozen=True, kw_only=True)
class Shop:
    """The vendors of an order, by name. `default` is the one of rows that name none."""

    default: str
    sellers: Mapping[str, Seller]
    defaults: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By vendor: what a block asks for, under every wish of a row."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """By vendor: the version that a block asks for, where the invocation names none."""
    store: StorePlace | None = None
    """Where media are put for vendors that fetch them."""

    def only(self, names: Collection[str]) -> Shop:
        """Those that are needed."""
        kept = {name: seller for name, seller in self.sellers.items() if name in names}
        return replace(self, sellers=kept)


def open_shop(
    order: Order, environment: Mapping[str, str], *, with_keys: bool, block: Any = None
) -> Shop:
    """Every vendor that the order's rows may name.

    The order's own vendor must have a key where one is needed; another one is there if it has one.
    `block` is the loaded block where the order names one.
    """
    agreed = {name: _agreed(usd) for name, usd in order.prices.items()}
    for name in order.prices:
        room(name)
    if block is not None:
        default = block.vendor
        first = block.seller(agreed.get(default), order.max_in_flight)
        defaults, versions = {default: block.wishes()}, {default: block.version}
    else:
        default, defaults, versions = order.provider, {}, {}
        first = seller_from_environment(
            default,
            environment,
            agreed_price=agreed.get(default),
            max_in_flight=order.max_in_flight,
            with_key=with_keys,
        )
    sellers = {default: first}
    for name, other in PROVIDERS.items():
        if name != default and (not with_keys or environment.get(other.KEY_VARIABLE)):
            sellers[name] = seller_from_environment(
                name,
                environment,
                agreed_price=agreed.get(name),
                max_in_flight=order.max_in_flight,
                with_key=with_keys,
            )
    return Shop(
        default=default,
        sellers=sellers,
        defaults=defaults,
        versions=versions,
        store=_store(order, block),
    )


def _store(order: Order, block: Any) -> StorePlace | None:
    """As ordered, else as the block says."""
    for said in (order, block):
        url = getattr(said, "media_store", None)
        if url:
            return StorePlace(url=url, public=said.media_store_public or None)
    if order.media_store_public:
        raise CannotStart("--media-store-public says how to read a store. Name it: --media-store.")
    return None


def require_store(shop: Shop) -> None:
    """A store that nothing can be put into, or that nobody could fetch from: nothing can start."""
    if shop.store is not None:
        nearby = any(seller.account.is_local for seller in shop.sellers.values())
        MediaStore(shop.store).check_reach(nearby=nearby)


def require_keys(shop: Shop, named: frozenset[str]) -> None:
    """A row that names a vendor we know and have no key for: nothing can start."""
    for name in sorted(named & PROVIDERS.keys() - shop.sellers.keys()):
        variable = PROVIDERS[name].KEY_VARIABLE
        raise CannotStart(
            f"Rows in column `provider` name {name}, and there is no key for it. Set {variable}."
        )


def require_reachable(order: Order, shop: Shop, named: frozenset[str]) -> None:
    """An address that a vendor cannot call would heal nothing: nothing can start."""
    address = order.webhook_url
    if address is None:
        return
    if not is_web_address(address) or not address.isascii() or any(c in address for c in "?#@"):
        raise CannotStart(
            f"--webhook-url {without_credentials(address)} is no plain address. Write "
            "https://HOST or https://HOST/PATH."
        )
    for name, seller in shop.only({shop.default, *named}).sellers.items():
        calls = seller.room.CALLBACKS is not None
        if calls and not is_public(address) and not seller.account.is_local:
            raise CannotStart(
                f"{seller.room.TITLE} ({name}) cannot call {address}: --webhook-url must be a "
                "public https address that leads to `omnihuman webhooks`."
            )


def all_options() -> tuple[type[Options], ...]:
    """Every model's options, of every vendor."""
    return tuple(model.options for room in PROVIDERS.values() for model in room.MODELS.values())


def understood(order: Order) -> Invocation:
    """The words of `--option`, checked."""
    if str(order.options.get(SEVERAL, "1")).strip() != "1":
        raise CannotStart(
            f"`--option {SEVERAL}` buys several videos in one purchase, which a catalogue cannot "
            "tell apart. For several takes of each row write `--option variants=N`."
        )
    return understand_options(order.options, all_options())


def columns_of_wishes() -> frozenset[str]:
    """The columns of the tables that are wishes."""
    return wish_columns(all_options()) - {SEVERAL}


def offers(shop: Shop, invocation: Invocation) -> dict[str, Offer]:
    """What each vendor of a shop offers in the version that was asked for."""
    found = {}
    for name, seller in shop.sellers.items():
        version = invocation.model or shop.versions.get(name)
        if version is not None and version not in seller.room.MODELS and name != shop.default:
            version = None  # asked of the order's own vendor; the others sell what they have
        model = seller.model(version)
        found[name] = Offer(
            provider=name,
            model=model.id,
            options=model.options,
            limits=model.limits,
            price=seller.price(model),
            takes_mask=model.takes_mask,
            stages=seller.room.STAGES,
            is_nearby=seller.account.is_local,
            has_store=shop.store is not None,
            defaults=shop.defaults.get(name, {}),
        )
    return found


def _agreed(usd: Decimal) -> Price:
    return Price(usd_per_second=usd, as_of=datetime.now(UTC).date(), source="as agreed (--price)")
