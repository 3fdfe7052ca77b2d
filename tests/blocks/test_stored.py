"""Blocks in Prefect: registered by its own command, stored, loaded, found by name, triggered."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from omnihuman_blocks import FalOmniHuman, flows
from omnihuman_blocks.block_base import VendorBlock
from omnihuman_blocks.blocks import BLOCKS, REGISTERED, find_block
from omnihuman_blocks.catalogue.loading import load_block
from omnihuman_blocks.domain.invocation import Invocation
from omnihuman_blocks.errors import CannotStart, Refused
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.order import Order, offers, open_shop

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]

MakeBlock = Callable[..., VendorBlock]
Pair = Iterable[str]

each_vendor = pytest.mark.parametrize("vendor", [block.vendor for block in BLOCKS])


@pytest.fixture
def name() -> str:
    """A name that no other test uses: they share one server."""
    return f"anna-{uuid4().hex[:8]}"


@pytest.mark.parametrize("module", ["omnihuman_blocks", "omnihuman_blocks.blocks"])
async def test_prefects_command_registers_all_blocks(module: str) -> None:
    """`prefect block register -m omnihuman_blocks` makes our forms appear, and no other."""
    command = [sys.executable, "-m", "prefect", "block", "register", "-m", module]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Successfully registered {len(REGISTERED)} blocks" in done.stdout
    async with get_client() as client:
        for block in BLOCKS:
            stored = await client.read_block_type_by_slug(block.get_block_type_slug())
            assert stored.description == block.get_description()
            assert str(stored.logo_url) == str(block._logo_url)
            assert "generate_video" in (stored.code_example or "")


def test_prefect_finds_the_blocks_by_the_entry_point() -> None:
    """Prefect resolves a stored block's class by the collection's entry point alone."""
    code = (
        "from prefect.blocks.core import Block;"
        "print(Block.get_block_class_from_key('fal-omnihuman').__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "omnihuman_blocks.blocks", done.stderr


@each_vendor
async def test_a_block_comes_back_as_it_was_stored(
    make_block: MakeBlock, name: str, vendor: str
) -> None:
    """Options, price and addresses survive; the key does, and is shown to nobody."""
    block = make_block(
        vendor,
        api_key="sk-very-secret",
        price_usd_per_second="0.1325",
        max_in_flight=5,
        ledger="postgresql://me:pass-word@db.example.com/ledger",
    )
    await block.asave(name)
    loaded: VendorBlock = await type(block).aload(name)
    assert loaded == block
    assert loaded.api_key.get_secret_value() == "sk-very-secret"
    assert loaded.seller().account == block.seller().account
    async with get_client() as client:
        shown = await client.read_block_document_by_name(
            name, type(block).get_block_type_slug(), include_secrets=False
        )
    assert "very-secret" not in shown.model_dump_json()
    assert "pass-word" not in shown.model_dump_json()
    assert shown.data["price_usd_per_second"] == "0.1325"


def test_options_of_the_form_are_the_blocks_wishes(make_block: MakeBlock, name: str) -> None:
    """What was chosen in the form is what a catalogue asks for under every wish of a row."""
    make_block("fal", options={"resolution": "720p", "turbo_mode": True}).save(name)
    loaded = cast("FalOmniHuman", FalOmniHuman.load(name))
    assert loaded.wishes() == {"resolution": "720p", "turbo_mode": True}


# --- found by name ----------------------------------------------------------------------------


async def test_a_block_is_found_by_its_name(make_block: MakeBlock, name: str) -> None:
    """With its type, or without where only one of our types has that name; from any code."""
    block = make_block("fal")
    await block.asave(name)
    assert find_block(f"fal-omnihuman/{name}") == block
    assert find_block(name) == block
    assert await asyncio.to_thread(load_block, f"block:{name}") == block


def test_a_name_that_says_too_little_or_too_much(make_block: MakeBlock, name: str) -> None:
    """Each message says what to write instead."""
    with pytest.raises(CannotStart, match=rf"--provider block:runware-omnihuman/{name}"):
        find_block(name)
    with pytest.raises(CannotStart, match=rf"\.save\('{name}'\).* block:fal-omnihuman/{name}"):
        find_block(f"fal-omnihuman/{name}")
    with pytest.raises(CannotStart, match=r"no block type of ours\. There is runware-omnihuman"):
        find_block(f"slack-webhook/{name}")
    make_block("fal").save(name)
    make_block("pixazo").save(name)
    with pytest.raises(CannotStart) as several:
        find_block(name)
    for slug in ("fal-omnihuman", "pixazo-omnihuman"):
        assert f"block:{slug}/{name}" in str(several.value)
    assert "runware" not in str(several.value)


@pytest.mark.parametrize("with_type", [True, False], ids=["type", "name only"])
def test_a_catalogue_is_made_with_a_stored_block(
    *,
    sandbox: Sandbox,
    make_block: MakeBlock,
    hosted: Pair,
    name: str,
    tmp_path: Path,
    with_type: bool,
) -> None:
    """Key, address, price and options come from the block; nothing is in the environment."""
    make_block("fal", options={"resolution": "720p"}, price_usd_per_second="0.5").save(name)
    image, audio = hosted
    scripts, avatars = tmp_path / "scripts.csv", tmp_path / "avatars.csv"
    scripts.write_text(f"script_id,locale,audio_uri\nhello,de,{audio}\n")
    avatars.write_text(f"avatar_id,image_uri\nanna,{image}\n")
    provider = f"block:fal-omnihuman/{name}" if with_type else f"block:{name}"
    order = (str(scripts), str(avatars), str(tmp_path / "results"), provider)

    quoted = flows.estimate_catalogue(*order)
    assert quoted["quote_usd"] == "1.000000"
    assert sandbox.counts().accepted() == 0
    told: State[Any] = flows.generate_catalogue(*order, return_state=True)
    assert told.is_completed(), told
    assert told.result()["rows"]["done"] == 1
    (bought,) = sandbox.counts().purchases
    assert bought.vendor == "fal"
    again: State[Any] = flows.generate_catalogue(*order, return_state=True)
    assert again.is_completed(), again
    assert sandbox.counts().accepted() == 1


def test_the_blocks_version_holds_for_a_catalogue(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """A block that asks for OmniHuman 1 gets that model; what an invocation says goes before it."""
    block = make_block("fal", version="1")
    order = Order(scripts="", avatars="", results="", provider="block:any")
    shop = open_shop(order, {}, with_keys=True, block=block)
    assert offers(shop, Invocation())["fal"].model == "fal-ai/bytedance/omnihuman"
    assert offers(shop, Invocation(model="1.5"))["fal"].model == "fal-ai/bytedance/omnihuman/v1.5"
    job = block.plan(*hosted)
    assert job.model == "fal-ai/bytedance/omnihuman"
    assert str(job.quote_usd) == "0.280000"
    assert sandbox.counts().accepted() == 0


# --- triggered --------------------------------------------------------------------------------


@each_vendor
def test_a_job_run_is_waited_for_and_fetched(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair, vendor: str
) -> None:
    """Prefect's convention for job blocks, in code that does not await."""
    run = make_block(vendor).trigger(*hosted)
    assert sandbox.counts().purchases[0].ticket == run.ticket.ticket
    run.wait_for_completion()
    clip = run.fetch_result()
    assert Path(clip.path).is_file()
    assert run.fetch_result() == clip
    assert sandbox.counts().accepted() == 1


async def test_a_job_run_is_awaited(sandbox: Sandbox, make_block: MakeBlock, hosted: Pair) -> None:
    """The awaiting twins, and a second trigger that buys nothing."""
    block = make_block("fal")
    run = await block.atrigger(*hosted, prompt="waves")
    await run.await_for_completion()
    clip = await run.afetch_result()
    again = await block.atrigger(*hosted, prompt="waves")
    assert again.ticket == run.ticket
    assert (clip.key, clip.ticket) == (run.ticket.key, run.ticket.ticket)
    assert sandbox.counts().accepted() == 1


async def test_blocking_calls_point_to_their_awaiting_twins(
    sandbox: Sandbox, make_block: MakeBlock, hosted: Pair
) -> None:
    """Where an event loop runs, nothing blocks it for minutes, and nothing is bought."""
    block = make_block("fal")
    with pytest.raises(RuntimeError, match=r"await block\.atrigger"):
        block.trigger(*hosted)
    with pytest.raises(RuntimeError, match=r"await block\.aplan"):
        block.plan(*hosted)
    assert sandbox.counts().accepted() == 0
    run = await block.atrigger(*hosted)
    with pytest.raises(RuntimeError, match=r"await run\.await_for_completion"):
        run.wait_for_completion()
    with pytest.raises(RuntimeError, match=r"await run\.afetch_result"):
        run.fetch_result()


def test_a_failed_job_run_raises(sandbox: Sandbox, make_block: MakeBlock, hosted: Pair) -> None:
    """Waiting tells why there is no video; only who asks for it buys a free failure again."""
    effect = {"kind": "fails", "failure": "content"}
    sandbox.faults.add({"operation": "generate", "effect": effect, "times": 1})
    block = make_block("fal")
    run = block.trigger(*hosted)
    for act in (run.wait_for_completion, run.fetch_result, partial(block.trigger, *hosted)):
        with pytest.raises(Refused, match="fal made no video"):
            act()
    assert sandbox.counts().accepted() == 1
    again = block.trigger(*hosted, again=True)
    assert again.ticket.attempt == 2
    assert Path(again.fetch_result().path).is_file()
    assert sandbox.counts().accepted() == 2
