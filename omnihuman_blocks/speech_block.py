"""What Prefect stores about a speech server: its address, model, key and voices.

A catalogue speaks its texts with it where it is named: `--speech block:NAME`.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr, WithJsonSchema, field_validator, model_validator

from omnihuman_blocks.block_base import LOGO, PROJECT
from omnihuman_blocks.domain.voices import Voices, read_voices
from omnihuman_blocks.edges.speech.openai import DEFAULT_MODEL, OpenAi
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.loop.calling import run_to_end

SLUG = "omnihuman-speech"
Speed = Annotated[
    Decimal,
    Field(ge=Decimal("0.25"), le=4, allow_inf_nan=False),
    WithJsonSchema({"type": "string", "pattern": r"^\d(\.\d+)?$"}),
]
"""Text in the form, so that no browser rounds it."""


class OmniHumanSpeech(Block):
    """Speaks texts with any server that has OpenAI's speech wire, such as OpenAI or Kokoro.

    Examples:
        ```python
        from omnihuman_blocks import OmniHumanSpeech

        OmniHumanSpeech(
            base_url="https://api.openai.com/v1",
            api_key="sk-...",
            voices={"default": {"en": "alloy", "pt-BR": "nova", "*": "sage"}},
        ).save("BLOCK_NAME")
        speech = OmniHumanSpeech.load("BLOCK_NAME")
        ```
    """

    _block_type_name = "OmniHuman Speech"
    _block_type_slug = SLUG
    _logo_url = LOGO
    _documentation_url = HttpUrl(f"{PROJECT}/blob/main/docs/speech.md")

    base_url: str = Field(
        default="https://api.openai.com/v1",
        description="Address of the server, up to and with `/v1`.",
    )
    model: str = Field(default=DEFAULT_MODEL, description="The server's name of its model.")
    api_key: SecretStr | None = Field(
        default=None, description="Key at that server; empty where it asks for none."
    )
    voices: dict[str, str | dict[str, str]] = Field(
        default_factory=dict,
        description="What rows call a voice, and the server's name of it in each locale. "
        "`default` is the voice of rows that name none.",
    )
    speed: Speed = Field(default=Decimal(1), description="1 is the voice's own speed.")
    response_format: Literal["wav", "mp3"] = Field(
        default="wav", description="What the server is asked for."
    )
    extra: dict[str, str] = Field(
        default_factory=dict,
        description="More members of the request, such as `instructions`; `{language}` and "
        "`{locale}` in them stand for the row's.",
    )

    @field_validator("voices")
    @classmethod
    def _can_be_understood(cls, voices: dict[str, Any]) -> dict[str, Any]:
        read_voices(voices)
        return voices

    @model_validator(mode="after")
    def _can_be_asked(self) -> OmniHumanSpeech:
        try:
            self.engine()
        except CannotStart as error:
            raise ValueError(str(error)) from error
        return self

    def engine(self) -> OpenAi:
        """Who speaks."""
        return OpenAi(
            url=self.base_url,
            model=self.model,
            key="" if self.api_key is None else self.api_key.get_secret_value().strip(),
            speed=self.speed,
            format=self.response_format,
            extra=self.extra,
        )

    def voices_or(self, given: Voices) -> Voices:
        """A file of voices that was given goes before the block's own."""
        return given if given.by_name else read_voices(self.voices)


def find_speech_block(name: str) -> OmniHumanSpeech:
    """The stored block `NAME`, or `omnihuman-speech/NAME`."""
    slug, _, rest = name.rpartition("/")
    if slug not in ("", SLUG) or not rest:
        raise CannotStart(f"--speech block:{name}: write block:NAME, the name of a speech block.")
    found = run_to_end(partial(_stored, rest))
    if found is None:
        raise CannotStart(
            f"Prefect has no speech block {rest!r}. Make one in its UI under Blocks, or in Python "
            f"with OmniHumanSpeech(...).save({rest!r})."
        )
    return found


async def _stored(name: str) -> OmniHumanSpeech | None:
    try:
        return await OmniHumanSpeech.aload(name)
    except ValueError as error:
        if str(error).startswith("Unable to find block document"):
            return None
        raise
