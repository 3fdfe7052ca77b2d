"""What Runware sells: the two models, what may be wished for, limits and prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator

from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options, WebAddress, content, handling
from omnihuman_blocks.domain.pricing import Price
from omnihuman_blocks.providers.base import Model

READ_ON = date(2026, 11, 20)
API = "https://api.runware.ai/v1"
JOB_KEY = "{job_key}"
OMNIHUMAN_1 = "bytedance:5@1"
OMNIHUMAN_15 = "bytedance:5@2"


def _names_its_job(address: str) -> str:
    if JOB_KEY in address:
        return address
    raise ValueError(f"must contain {JOB_KEY}, or every video would overwrite the one before")


UploadEndpoint: TypeAlias = Annotated[WebAddress, AfterValidator(_names_its_job)]


class RunwareOptions(Options):
    """What may be wished for with OmniHuman 1."""

    number_results: int = content(
        1, "numberResults", "Videos to make, each with its own seed and its own price.", ge=1, le=4
    )
    output_format: Literal["MP4", "WEBM", "MOV"] = content(
        "MP4", "outputFormat", "Container of the video."
    )
    output_quality: int = content(
        95, "outputQuality", "Quality of the compression; more makes a larger file.", ge=20, le=99
    )
    include_cost: bool = handling(
        default=True, wire="includeCost", description="Ask for the cost of each video."
    )
    safety_check_content: bool | None = handling(
        None, "safety.checkContent", "Check the video for unsafe content."
    )
    safety_mode: Literal["none", "fast", "full"] | None = handling(
        None, "safety.mode", "Frames that are checked: none, key frames (fast) or all (full)."
    )
    ttl: int | None = handling(
        None, "ttl", "Seconds for which the video's address stays valid.", ge=60
    )
    upload_endpoint: UploadEndpoint | None = handling(
        None,
        "uploadEndpoint",
        "Address to which Runware also PUTs the video; must contain {job_key}.",
    )
    webhook_url: WebAddress | None = handling(
        None, "webhookURL", "Address that is called when a video is finished."
    )


class RunwareOptions15(RunwareOptions):
    """What may be wished for with OmniHuman 1.5."""

    prompt: str | None = content(None, "positivePrompt", "What the scene should look like.")
    seed: int | None = content(
        None, "seed", "Number that makes a video repeatable.", ge=0, le=2**63 - 1
    )
    # Known from the vendor's older client only, so it is not sent unless somebody wishes it.
    fast_mode: bool | None = content(
        None, "providerSettings.bytedance.fastMode", "Faster, with some loss of quality."
    )


def _limits(_: Options) -> Limits:
    """Those of OmniHuman 1. For 1.5 none are published: the same ones, until we know better."""
    return Limits(
        audio_seconds=Decimal(30),
        audio_seconds_included=True,
        advised_audio_seconds=Decimal(15),
        image_formats=frozenset({"jpeg", "png", "webp", "gif", "bmp"}),
        image_bytes=10_000_000,
        image_sides=(300, 6000),
    )


def _price(usd_per_second: str, source: str) -> Price:
    return Price(usd_per_second=Decimal(usd_per_second), as_of=READ_ON, source=source)


MODELS = {
    "1.5": Model(
        version="1.5",
        id=OMNIHUMAN_15,
        options=RunwareOptions15,
        limits=_limits,
        price=_price("0.1325", "copies of the model page: $1.3247 for 10 s"),
    ),
    "1": Model(
        version="1",
        id=OMNIHUMAN_1,
        options=RunwareOptions,
        limits=_limits,
        price=_price("0.0968", "copies of the model page: $2.904 for 30 s"),
    ),
}
