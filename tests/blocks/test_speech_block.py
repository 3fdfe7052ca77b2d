"""A speech server as a block: its form, its key, and how a catalogue finds it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from pydantic import HttpUrl, ValidationError

from omnihuman_blocks import OmniHumanSpeech
from omnihuman_blocks.catalogue.loading import load_speech_block
from omnihuman_blocks.domain.voices import NO_VOICES, read_voices
from omnihuman_blocks.edges.speech.openai import OpenAi
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.order import Order
from omnihuman_blocks.walk.speaking import speech_of

LOGO = Path(__file__).parents[2] / "docs" / "images" / "logo.png"


class TestPrefectsOwnSuite(BlockStandardTestSuite):
    """What Prefect asks of every block of every collection."""

    @pytest.fixture
    def block(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> type[OmniHumanSpeech]:
        """The block, its logo served on loopback: tests need no network."""
        served = sandbox.host("logo.png", LOGO.read_bytes(), "image/png")
        monkeypatch.setattr(OmniHumanSpeech, "_logo_url", HttpUrl(served))
        return OmniHumanSpeech


def make(**other: Any) -> OmniHumanSpeech:
    known = {
        "base_url": "https://a.example/v1",
        "model": "tts-1",
        "api_key": "sk-very-secret",
        "voices": {"default": {"en": "alloy", "pt-BR": "nova"}},
    }
    return OmniHumanSpeech(**known | other)


def test_a_block_is_an_engine_with_voices() -> None:
    """A file of voices that somebody names goes before the block's own."""
    block = make(speed="1.25", response_format="mp3", extra={"lang_code": "{language}"})
    assert block.engine() == OpenAi(
        url="https://a.example/v1",
        model="tts-1",
        key="sk-very-secret",
        speed=Decimal("1.25"),
        format="mp3",
        extra={"lang_code": "{language}"},
    )
    assert block.voices_or(NO_VOICES).find(None, "en-GB") == "alloy"
    other = read_voices({"default": "onyx"})
    assert block.voices_or(other) == other
    assert make(api_key=None).engine().key == ""


def test_a_key_is_never_shown() -> None:
    """Neither the block nor what is made of it prints its key."""
    block = make()
    shown = [repr(block), str(block), block.model_dump_json(), repr(block.engine())]
    assert not [text for text in shown if "very-secret" in text]
    assert OmniHumanSpeech.model_json_schema()["secret_fields"] == ["api_key"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"base_url": "ftp://a.example"}, "http or https address"),
        ({"voices": {"anna": {"klingonish": "x"}}}, "no language tag"),
        ({"speed": 9}, "less than or equal to 4"),
        ({"response_format": "opus"}, "wav"),
        ({"extra": {"voice": "x"}}, "nothing twice"),
    ],
)
def test_a_form_that_cannot_be_asked_is_refused(wrong: dict[str, object], said: str) -> None:
    """Where it is filled in, not where it is used; without the key."""
    with pytest.raises(ValidationError, match=said) as refused:
        make(**wrong)
    assert "very-secret" not in str(refused.value)


def test_a_vendors_name_or_no_name_at_all_loads_no_block() -> None:
    """Nor does a block of another type."""
    assert load_speech_block(None) is None
    assert load_speech_block("espeak") is None
    for name in ("block:", "block:fal-omnihuman/anna"):
        with pytest.raises(CannotStart, match="write block:NAME"):
            load_speech_block(name)


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_server")
async def test_a_catalogue_speaks_with_a_stored_block() -> None:
    """It comes back as it was stored, its key is shown to nobody, and it is found by its name."""
    name = f"speech-{uuid4().hex[:8]}"
    block = make(speed="1.25")
    await block.asave(name)
    assert cast("OmniHumanSpeech", await OmniHumanSpeech.aload(name)) == block
    async with get_client() as client:
        shown = await client.read_block_document_by_name(
            name, "omnihuman-speech", include_secrets=False
        )
    assert "very-secret" not in shown.model_dump_json()
    order = Order(scripts="", avatars="", results="", provider="", speech=f"block:{name}")
    speech = speech_of(order, {}, block=load_speech_block(order.speech))
    assert speech.engine == block.engine()
    assert speech.recipe(text="Olá", locale="pt-BR").voice == "nova"
    assert "secret" not in json.dumps(speech.settings, default=str)
    assert load_speech_block(f"block:omnihuman-speech/{name}") == block
    with pytest.raises(CannotStart, match="Prefect has no speech block 'nobody'"):
        load_speech_block("block:nobody")
