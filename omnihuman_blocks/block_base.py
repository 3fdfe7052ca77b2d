"""What the blocks of all vendors have in common: fields, and how a video is made with one.

`trigger` gives a job run with `wait_for_completion` and `fetch_result`, as Prefect's job blocks
do; each has an awaiting twin whose name begins with `a`.
"""

from __future__ import annotations

import os
from abc import ABC
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from prefect.blocks.abstract import JobBlock, JobRun
from pydantic import (
    ConfigDict,
    Field,
    HttpUrl,
    SecretStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from omnihuman_blocks import one_video
from omnihuman_blocks.domain.addresses import without_credentials
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.pricing import Price
from omnihuman_blocks.edges.store import StorePlace
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.loop.calling import run_unless_awaiting
from omnihuman_blocks.one_video import Wanted
from omnihuman_blocks.providers import room
from omnihuman_blocks.videos import VideoClip, VideoJob, VideoTicket
from omnihuman_blocks.walk.accounts import Seller, account
from omnihuman_blocks.walk.opening import Setting

PROJECT = "https://github.com/prefect-omnihuman/prefect-omnihuman"
LOGO = HttpUrl(
    "https://raw.githubusercontent.com/prefect-omnihuman/prefect-omnihuman/main/docs/images/logo.png"
)
DOLLARS = r"^\d{1,4}(\.\d+)?$"
Dollars = Annotated[
    Decimal,
    Field(ge=0, le=1000, allow_inf_nan=False),
    WithJsonSchema({"type": "string", "pattern": DOLLARS}),
]
"""Text in the form, so that no browser rounds it."""
LEDGER_FILE = "ledger.db"


class VideoRun(JobRun[VideoClip]):
    """One video that was triggered. What it needs to go on elsewhere is its `ticket`."""

    def __init__(self, block: VendorBlock, ticket: VideoTicket) -> None:
        self.block = block
        self.ticket = ticket

    async def await_for_completion(self) -> None:
        """Waits until the vendor has made the video; raises where there will be none."""
        await one_video.wait(self.block, self.ticket)

    def wait_for_completion(self) -> None:  # type: ignore[override]
        """Waits until the vendor has made the video; raises where there will be none."""
        run_unless_awaiting(
            self.await_for_completion,
            call="wait_for_completion()",
            instead="await run.await_for_completion()",
        )

    async def afetch_result(self) -> VideoClip:
        """The video: fetched, checked, and in its place. Waits for it where that is necessary."""
        return await one_video.download(self.block, self.ticket)

    def fetch_result(self) -> VideoClip:  # type: ignore[override]
        """The video: fetched, checked, and in its place. Waits for it where that is necessary."""
        return run_unless_awaiting(
            self.afetch_result, call="fetch_result()", instead="await run.afetch_result()"
        )


class VendorBlock(JobBlock[VideoClip], ABC):
    """A vendor, its key, and how videos are made there."""

    # What is wrong with a block is told without what was given: a key is among it.
    model_config = ConfigDict(hide_input_in_errors=True)

    vendor: ClassVar[str]
    """The name of its room."""
    address_fields: ClassVar[Mapping[str, str]]
    """Fields that hold an address, and the variable that names the same address."""

    api_key: SecretStr = Field(description="Key of your account at the vendor.")
    version: str
    options: Options
    price_usd_per_second: Dollars | None = Field(
        default=None,
        description="What you pay for a second of video, in dollars, where it differs from the "
        "price that the package knows.",
    )
    max_in_flight: int | None = Field(
        default=None,
        ge=1,
        description="Videos at this vendor at the same time; empty for as many as it takes.",
    )
    results: str = Field(
        default="~/omnihuman",
        description="Folder for single videos and the ledger of what was bought; a catalogue has "
        "a folder of its own.",
    )
    ledger: SecretStr | None = Field(
        default=None,
        description="Where purchases of single videos are written down: a file, or a PostgreSQL "
        "address that several machines share; empty for a file in the folder above.",
    )
    media_store: str | None = Field(
        default=None,
        description="Bucket for media that the vendor takes no upload of, such as "
        "s3://bucket/media; its keys belong in the environment.",
    )
    media_store_public: str | None = Field(
        default=None,
        description="Https address at which everybody can read that bucket; empty for addresses "
        "that are signed for a day.",
    )
    patience_seconds: float = Field(
        default=7200.0,
        gt=0,
        description="How long a video is waited for before its ticket is left for the next run.",
    )

    @field_validator("results")
    @classmethod
    def _is_a_folder_here(cls, results: str) -> str:
        if "://" in results.removeprefix("file://") or not results.strip():
            raise ValueError("name a folder on this machine")
        return results

    @model_validator(mode="after")
    def _names_a_store(self) -> Self:
        if self.media_store:
            try:
                StorePlace(url=self.media_store, public=self.media_store_public or None)
            except CannotStart as error:
                raise ValueError(str(error)) from error
        elif self.media_store_public:
            raise ValueError("media_store_public says how to read a store; name it in media_store")
        return self

    @model_validator(mode="after")
    def _fits_its_version(self) -> Self:
        models = room(self.vendor).MODELS
        if unknown := self._wished().keys() - models[self.version].options.model_fields.keys():
            names = ", ".join(sorted(unknown))
            raise ValueError(f"OmniHuman {self.version} at this vendor has no option {names}")
        return self

    # --- how it is used ------------------------------------------------------------------------

    def plan(self, image: str, audio: str, **wanted: Any) -> VideoJob:
        """What would be bought, checked and priced. Spends nothing; arguments as of `trigger`."""
        return run_unless_awaiting(
            partial(self.aplan, image, audio, **wanted),
            call="plan()",
            instead="await block.aplan(...)",
        )

    async def aplan(
        self,
        image: str,
        audio: str,
        *,
        prompt: str | None = None,
        mask: str | None = None,
        variant: int = 1,
        options: Mapping[str, object] | None = None,
    ) -> VideoJob:
        """What would be bought, checked and priced. Spends nothing."""
        wishes = {**(options or {}), **({} if prompt is None else {"prompt": prompt})}
        wanted = Wanted(image=image, audio=audio, mask=mask, variant=variant, wishes=wishes)
        return await one_video.plan(self, wanted)

    def trigger(  # type: ignore[override]
        self, image: str, audio: str, *, again: bool = False, **wanted: Any
    ) -> VideoRun:
        """Buys one video, unless it is bought already. `atrigger` is its awaiting twin.

        Args:
            image: Path or address of the avatar's picture.
            audio: Path or address of what it says.
            again: Buy a failed video once more where the last try cost nothing.
            wanted: `prompt`, `mask`, `variant`, `options`.
        """
        return run_unless_awaiting(
            partial(self.atrigger, image, audio, again=again, **wanted),
            call="trigger()",
            instead="await block.atrigger(...)",
        )

    async def atrigger(
        self, image: str, audio: str, *, again: bool = False, **wanted: Any
    ) -> VideoRun:
        """Buys one video, unless it is bought already."""
        job = await self.aplan(image, audio, **wanted)
        return VideoRun(self, await one_video.submit(self, job, again=again))

    # --- what those who walk ask of it ---------------------------------------------------------

    def seller(self, agreed_price: Price | None = None, max_in_flight: int | None = None) -> Seller:
        """The vendor with this block's key, addresses and price; arguments go before them."""
        vendor = room(self.vendor)
        own = {
            variable: getattr(self, name) or os.environ.get(variable, "")
            for name, variable in self.address_fields.items()
        }
        return Seller(
            room=vendor,
            account=account(vendor, self.api_key.get_secret_value(), own),
            agreed_price=agreed_price or self._own_price(),
            max_in_flight=max_in_flight or self.max_in_flight,
        )

    def wishes(self) -> Mapping[str, object]:
        """What the block asks for, under every wish of a row."""
        return self._wished()

    def setting(self) -> Setting:
        """Where single videos of this block are put and written down."""
        folder = Path(self.results.removeprefix("file://")).expanduser().absolute()
        ledger = None if self.ledger is None else self.ledger.get_secret_value().strip()
        if ledger and "://" not in ledger:
            ledger = str(Path(ledger).expanduser().absolute())
        return Setting(
            invocation="single videos",
            results=str(folder),
            ledger=ledger or str(folder / LEDGER_FILE),
            provider=self.vendor,
            media_store=self.media_store or None,
            media_store_public=self.media_store_public or None,
            patience_seconds=self.patience_seconds,
        )

    @property
    def is_local(self) -> bool:
        """The vendor is a stand-in on this machine or network."""
        return self.seller().account.is_local

    @property
    def place(self) -> tuple[str, str]:
        """Folder and ledger, without credentials."""
        setting = self.setting()
        return setting.results, without_credentials(setting.ledger)

    def _own_price(self) -> Price | None:
        if self.price_usd_per_second is None:
            return None
        today = datetime.now(UTC).date()
        return Price(
            usd_per_second=self.price_usd_per_second, as_of=today, source="as agreed (block)"
        )

    def _wished(self) -> dict[str, object]:
        return self.options.model_dump(exclude_defaults=True)
