"""What Prefect stores: one block per vendor, with its key, its options and its price.

The four differ in what their vendor sells, and that is all that stands here. The block of a speech
server has a room of its own, and is named here because Prefect looks nowhere else.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

from pydantic import Field, HttpUrl, field_validator

from omnihuman_blocks.block_base import LOGO, PROJECT, VendorBlock
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.loop.calling import run_to_end
from omnihuman_blocks.providers.aimlapi import AimlapiOptions
from omnihuman_blocks.providers.fal_models import FalOptions15
from omnihuman_blocks.providers.pixazo import PixazoOptions
from omnihuman_blocks.providers.runware_models import RunwareOptions15
from omnihuman_blocks.speech_block import OmniHumanSpeech

DOCUMENTATION = HttpUrl(f"{PROJECT}/blob/main/docs/blocks.md")
VERSION = "OmniHuman version to make videos with."
OPTIONS = "What is asked for wherever a row or a call does not say otherwise."
ADDRESS = "Address to use in place of the vendor's own, such as that of the sandbox."


class RunwareOmniHuman(VendorBlock):
    """Makes talking-avatar videos with OmniHuman at Runware, which names the cost of each.

    Examples:
        ```python
        from omnihuman_blocks import RunwareOmniHuman, generate_video

        vendor = RunwareOmniHuman.load("BLOCK_NAME")
        clip = generate_video(vendor, image="anna.png", audio="hello.mp3", prompt="waves")
        ```
    """

    _block_type_name = "Runware OmniHuman"
    _block_type_slug = "runware-omnihuman"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    vendor: ClassVar[str] = "runware"
    address_fields: ClassVar = {"url": "OMNIHUMAN_RUNWARE_URL"}

    version: Literal["1.5", "1"] = Field(default="1.5", description=VERSION)
    options: RunwareOptions15 = Field(default_factory=RunwareOptions15, description=OPTIONS)
    url: str | None = Field(default=None, description=ADDRESS)

    @field_validator("options")
    @classmethod
    def _makes_one_video(cls, options: RunwareOptions15) -> RunwareOptions15:
        if options.number_results != 1:
            raise ValueError("one job is one video; ask for more takes with `variants`")
        return options


class FalOmniHuman(VendorBlock):
    """Makes talking-avatar videos with OmniHuman at fal, with masks and a choice of sizes.

    Examples:
        ```python
        from omnihuman_blocks import FalOmniHuman, generate_video

        vendor = FalOmniHuman.load("BLOCK_NAME")
        clip = generate_video(vendor, image="anna.png", audio="hello.mp3", prompt="waves")
        ```
    """

    _block_type_name = "fal OmniHuman"
    _block_type_slug = "fal-omnihuman"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    vendor: ClassVar[str] = "fal"
    address_fields: ClassVar = {
        "queue_url": "OMNIHUMAN_FAL_URL",
        "rest_url": "OMNIHUMAN_FAL_REST_URL",
    }

    version: Literal["1.5", "1"] = Field(default="1.5", description=VERSION)
    options: FalOptions15 = Field(default_factory=FalOptions15, description=OPTIONS)
    queue_url: str | None = Field(default=None, description=ADDRESS)
    rest_url: str | None = Field(
        default=None, description="The same for the address that media are uploaded to."
    )


class PixazoOmniHuman(VendorBlock):
    """Makes talking-avatar videos with OmniHuman 1.5 at Pixazo; media need public addresses.

    Examples:
        ```python
        from omnihuman_blocks import PixazoOmniHuman, generate_video

        vendor = PixazoOmniHuman.load("BLOCK_NAME")
        image, audio = "https://example.com/anna.png", "https://example.com/hello.mp3"
        clip = generate_video(vendor, image=image, audio=audio)
        ```
    """

    _block_type_name = "Pixazo OmniHuman"
    _block_type_slug = "pixazo-omnihuman"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    vendor: ClassVar[str] = "pixazo"
    address_fields: ClassVar = {"url": "OMNIHUMAN_PIXAZO_URL"}

    version: Literal["1.5"] = Field(default="1.5", description=VERSION)
    options: PixazoOptions = Field(default_factory=PixazoOptions, description=OPTIONS)
    url: str | None = Field(default=None, description=ADDRESS)


class AimlapiOmniHuman(VendorBlock):
    """Makes talking-avatar videos with OmniHuman at AI/ML API, from an image and audio alone.

    Examples:
        ```python
        from omnihuman_blocks import AimlapiOmniHuman, generate_video

        vendor = AimlapiOmniHuman.load("BLOCK_NAME")
        clip = generate_video(vendor, image="anna.png", audio="https://example.com/hello.mp3")
        ```
    """

    _block_type_name = "AIMLAPI OmniHuman"
    _block_type_slug = "aimlapi-omnihuman"
    _logo_url = LOGO
    _documentation_url = DOCUMENTATION

    vendor: ClassVar[str] = "aimlapi"
    address_fields: ClassVar = {"url": "OMNIHUMAN_AIMLAPI_URL"}

    version: Literal["1.5", "1"] = Field(default="1.5", description=VERSION)
    options: AimlapiOptions = Field(default_factory=AimlapiOptions, description=OPTIONS)
    url: str | None = Field(default=None, description=ADDRESS)


BLOCKS: tuple[type[VendorBlock], ...] = (
    RunwareOmniHuman,
    FalOmniHuman,
    PixazoOmniHuman,
    AimlapiOmniHuman,
)
REGISTERED = (*BLOCKS, OmniHumanSpeech)
"""Everything that Prefect learns of from this module."""


def find_block(name: str) -> VendorBlock:
    """The stored block `TYPE-SLUG/NAME`, or `NAME` where one of our types has that name."""
    slug, _, rest = name.rpartition("/")
    types = [block for block in BLOCKS if slug in ("", block.get_block_type_slug())]
    if not types or not rest:
        known = ", ".join(block.get_block_type_slug() for block in BLOCKS)
        raise CannotStart(f"block:{name} names no block type of ours. There is {known}.")
    found = run_to_end(partial(_stored, types, rest))
    if not found:
        choice = slug or BLOCKS[0].get_block_type_slug()
        raise CannotStart(
            f"Prefect has no block {name!r} of ours. Make one in its UI under Blocks, or in Python "
            f"with .save({rest!r}); then name it: --provider block:{choice}/{rest}"
        )
    if len(found) > 1:
        choices = " or ".join(f"block:{block.get_block_type_slug()}/{rest}" for block in found)
        raise CannotStart(f"{len(found)} blocks are called {rest!r}. Write {choices}.")
    return found[0]


async def _stored(types: list[type[VendorBlock]], name: str) -> list[VendorBlock]:
    return [block for each in types if (block := await _load(each, name)) is not None]


async def _load(block_type: type[VendorBlock], name: str) -> VendorBlock | None:
    try:
        return await block_type.aload(name)
    except ValueError as error:
        if str(error).startswith("Unable to find block document"):
            return None
        raise
