"""What a block is, before anything is stored or bought."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from pydantic import HttpUrl, ValidationError

import omnihuman_blocks
from omnihuman_blocks.block_base import VendorBlock
from omnihuman_blocks.blocks import BLOCKS, RunwareOmniHuman
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.providers import PROVIDERS, room
from omnihuman_blocks.sandbox.server import Sandbox

LOGO = Path(__file__).parents[2] / "docs" / "images" / "logo.png"
MakeBlock = Callable[..., VendorBlock]

each_block = pytest.mark.parametrize("block_type", BLOCKS, ids=lambda each: each.vendor)


class TestPrefectsOwnSuite(BlockStandardTestSuite):
    """What Prefect asks of every block of every collection."""

    @pytest.fixture(params=BLOCKS, ids=lambda each: each.vendor)
    def block(
        self, request: pytest.FixtureRequest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> type[VendorBlock]:
        """The block, its logo served on loopback: tests need no network."""
        block: type[VendorBlock] = request.param
        assert str(block._logo_url).endswith("/docs/images/logo.png")
        served = sandbox.host("logo.png", LOGO.read_bytes(), "image/png")
        monkeypatch.setattr(block, "_logo_url", HttpUrl(served))
        return block


def test_every_vendor_has_exactly_one_block() -> None:
    """A fifth vendor without a block, or with two, does not pass."""
    assert sorted(block.vendor for block in BLOCKS) == sorted(PROVIDERS)
    assert {block.__name__ for block in BLOCKS} <= set(omnihuman_blocks.__all__)


@each_block
def test_a_block_offers_what_its_room_sells(block_type: type[VendorBlock]) -> None:
    """Options, versions and addresses are the room's, so that neither can drift."""
    vendor = room(block_type.vendor)
    newest = next(iter(vendor.MODELS.values()))
    assert block_type.model_fields["options"].annotation is newest.options
    assert all(issubclass(newest.options, model.options) for model in vendor.MODELS.values())
    assert get_args(block_type.model_fields["version"].annotation) == tuple(vendor.MODELS)
    assert block_type.model_fields["version"].default == newest.version
    assert set(block_type.address_fields.values()) == set(vendor.ADDRESSES)
    assert set(block_type.address_fields) <= set(block_type.model_fields)
    assert block_type.get_block_type_slug() == f"{vendor.NAME}-omnihuman"


@each_block
def test_the_form_shows_every_option_with_its_limits(block_type: type[VendorBlock]) -> None:
    """What Prefect draws the form from names each option, its description, limits and choices."""
    schema = block_type.model_json_schema()
    options = next(iter(room(block_type.vendor).MODELS.values())).options
    shown = schema["definitions"][options.__name__]["properties"] if options.model_fields else {}
    assert shown == options.model_json_schema().get("properties", {})
    assert all(each["description"].endswith(".") for each in shown.values())
    assert schema["secret_fields"] == ["api_key", "ledger"]
    version = schema["properties"]["version"]
    assert version.get("enum", [version.get("const")]) == list(room(block_type.vendor).MODELS)


def test_a_choice_and_a_limit_reach_the_form() -> None:
    """An example to look at: a size to choose from, a quality between two numbers."""
    fields = RunwareOmniHuman.model_json_schema()["definitions"]["RunwareOptions15"]["properties"]
    assert fields["output_format"]["enum"] == ["MP4", "WEBM", "MOV"]
    assert (fields["output_quality"]["minimum"], fields["output_quality"]["maximum"]) == (20, 99)


@each_block
def test_a_key_is_never_shown(
    block_type: type[VendorBlock], make_block: MakeBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a block nor what is made of it prints a key or a ledger's password."""
    block = make_block(
        block_type.vendor,
        api_key="sk-very-secret",
        ledger="postgresql://me:pass-word@db.example.com/ledger",
    )
    shown = [
        *(repr(block), str(block), block.model_dump_json()),
        *(repr(block.seller()), json.dumps(block.model_dump(mode="json"), default=str)),
        *(repr(block.place), repr(block.wishes())),
    ]
    assert not [text for text in shown if "very-secret" in text or "pass-word" in text]
    assert "very-secret" in repr(block.seller().account.credentials)


@each_block
def test_an_unusable_key_is_named_without_being_told(
    block_type: type[VendorBlock], make_block: MakeBlock
) -> None:
    """A key with a line break in it is refused before anything is sent."""
    with pytest.raises(CannotStart, match="is empty or holds characters") as refused:
        make_block(block_type.vendor, api_key="half\na key").seller()
    assert "half" not in str(refused.value)


def test_options_are_held_against_the_version(make_block: MakeBlock) -> None:
    """OmniHuman 1 takes no prompt, so a block that asks both for it and for a prompt is refused."""
    for vendor in ("runware", "fal"):
        with pytest.raises(ValidationError, match="no option prompt"):
            make_block(vendor, version="1", options={"prompt": "waves"})
        assert make_block(vendor, version="1").wishes() == {}
        assert make_block(vendor, options={"prompt": "waves"}).wishes() == {"prompt": "waves"}


@pytest.mark.parametrize(
    ("vendor", "fields"),
    [
        ("fal", {"options": {"resolution": "4k"}}),
        ("fal", {"options": {"tone": "warm"}}),
        ("runware", {"options": {"output_quality": 100}}),
        ("runware", {"options": {"number_results": 2}}),
        ("pixazo", {"version": "1"}),
        ("fal", {"price_usd_per_second": "-1"}),
        ("fal", {"price_usd_per_second": "NaN"}),
        ("fal", {"max_in_flight": 0}),
        ("fal", {"results": "s3://bucket/made"}),
    ],
)
def test_a_block_refuses_what_makes_no_sense(
    make_block: MakeBlock, vendor: str, fields: dict[str, Any]
) -> None:
    """What would fail or cost too much later fails when the block is made."""
    with pytest.raises(ValidationError):
        make_block(vendor, **fields)


def test_price_and_places_come_from_the_block(make_block: MakeBlock) -> None:
    """The block's own price and number of places hold, and those of an order go before them."""
    block = make_block("fal", price_usd_per_second="0.11", max_in_flight=3)
    seller = block.seller()
    assert seller.agreed_price is not None
    assert seller.agreed_price.usd_per_second == Decimal("0.11")
    assert seller.max_in_flight == 3
    assert block.seller(None, 7).max_in_flight == 7


def test_addresses_of_the_environment_hold_for_blocks_too(
    sandbox: Sandbox, make_block: MakeBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever points the environment at a sandbox does not spend money through a block."""
    monkeypatch.setenv("OMNIHUMAN_RUNWARE_URL", sandbox.environment["OMNIHUMAN_RUNWARE_URL"])
    assert make_block("runware", url=None).is_local
    assert not make_block("runware", url="https://api.example.com").is_local


def test_the_ledger_does_not_depend_on_where_one_stands(
    make_block: MakeBlock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A worker in another folder finds the same purchases: a relative ledger would buy again."""
    field = VendorBlock.model_fields["results"]
    setting = make_block("fal", results=field.default).setting()
    monkeypatch.chdir(tmp_path)
    assert make_block("fal", results=field.default).setting() == setting
    assert Path(setting.ledger).is_absolute()


def test_a_block_travels(make_block: MakeBlock) -> None:
    """Task runners pickle what they hand over."""
    block = make_block("fal", options={"prompt": "waves"})
    assert pickle.loads(pickle.dumps(block)) == block  # noqa: S301


def test_importing_the_package_imports_no_prefect() -> None:
    """Its public names are there, sorted, and loaded when they are used."""
    code = (
        "import sys, omnihuman_blocks as o; heavy = {'prefect', 'httpx', 'sqlalchemy', 'pandas'};"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys();"
        "assert o.__all__ == sorted(o.__all__) and set(o.__all__) <= set(dir(o));"
        "[getattr(o, name) for name in o.__all__]; assert 'prefect' in sys.modules;"
        "print(o.FalOmniHuman.get_block_schema_version() == o.__version__)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "True"


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = omnihuman_blocks.Nothing
