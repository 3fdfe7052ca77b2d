"""What goes from step to step when one video is made by itself: job, ticket, ready, clip.

Plain, frozen and without keys: they are pickled, stored as JSON, and sent to other machines.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from omnihuman_blocks.domain.job import Job, JobKey, Media
from omnihuman_blocks.domain.pricing import CostBasis
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.providers import room


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VideoJob(_Plain):
    """One video that can be bought: examined, checked against the vendor's limits, and priced."""

    key: JobKey
    provider: str
    model: str
    """The vendor's own word for it."""
    image: Media
    audio: Media
    mask: Media | None = None
    options: dict[str, Any]
    """Every option of the model, defaults written out."""
    variant: int = 1
    quote_usd: Decimal | None = None
    """What it should cost; None where the price is not known."""

    def as_job(self) -> Job:
        """The job as those who walk know it."""
        models = room(self.provider).MODELS.values()
        options = next((model.options for model in models if model.id == self.model), None)
        if options is None:
            raise CannotStart(f"{room(self.provider).TITLE} sells no model {self.model!r}.")
        return Job(
            key=self.key,
            provider=self.provider,
            model=self.model,
            image=self.image,
            audio=self.audio,
            mask=self.mask,
            options=options.model_validate(self.options),
            variant=self.variant,
        )


class _Step(_Plain):
    """What every later step knows of its purchase."""

    job: VideoJob
    attempt: int
    ticket: str
    """The vendor's id of the purchase."""

    @property
    def key(self) -> JobKey:
        return self.job.key

    @property
    def provider(self) -> str:
        return self.job.provider

    @property
    def model(self) -> str:
        return self.job.model


class VideoTicket(_Step):
    """A purchase that the vendor has accepted. The ledger knows it, too."""


class VideoReady(_Step):
    """A video that the vendor has made; it lies at the vendor's address and is not checked yet."""

    address: str


class VideoClip(_Step):
    """A video that is here, decodes to its end, fits its audio, and what it cost."""

    path: str
    """Its absolute path on this machine."""
    sha256: str
    size: int
    seconds: Decimal
    width: int
    height: int
    cost_usd: Decimal | None
    """None where nobody has said what it cost."""
    cost_basis: CostBasis
