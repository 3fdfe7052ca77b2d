"""What fal sells: the two models, what may be wished for, limits and prices."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Literal

from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options, WebAddress, content, handling
from omnihuman_blocks.domain.pricing import Price
from omnihuman_blocks.providers.base import Model

READ_ON = date(2026, 11, 20)
HEADER_TEXT = r"^[\x21-\x7e]+( [\x21-\x7e]+)*$"


class FalOptions(Options):
    """What may be wished for with OmniHuman 1, and how fal should treat any request."""

    webhook_url: WebAddress | None = handling(
        None, "query:fal_webhook", "Public address that is called when the video is finished."
    )
    max_queue_length: int | None = handling(
        None, "query:fal_max_queue_length", "Buy nothing while the queue is longer than this.", ge=1
    )
    start_timeout_seconds: int | None = handling(
        None, "header:X-Fal-Request-Timeout", "Give up a job that has not started by then.", gt=1
    )
    queue_priority: Literal["normal", "low"] | None = handling(
        None, "header:X-Fal-Queue-Priority", "Place in the queue."
    )
    no_retry: bool = handling(
        default=False, wire="", description="Fail at once instead of being tried again inside fal."
    )
    store_io: bool = handling(
        default=True, wire="", description="Let fal keep the request and the answer."
    )
    # Long enough to fetch what was paid for.
    object_lifetime_seconds: int | None = handling(
        None, "", "Seconds for which fal keeps the video; empty for as long as it likes.", ge=600
    )
    disable_fallback: bool = handling(
        default=False, wire="", description="Do not let fal turn to another provider."
    )
    tags: str | None = handling(
        None, "header:X-Fal-Tags", "Tags for fal's own reports.", pattern=HEADER_TEXT
    )
    runner_hint: str | None = handling(
        None, "header:X-Fal-Runner-Hint", "Jobs of one hint share a machine.", pattern=HEADER_TEXT
    )

    def headers(self) -> dict[str, str]:
        """A switch that is in its usual position is not sent."""
        headers = super().headers()
        if self.no_retry:
            headers["X-Fal-No-Retry"] = "1"
        if not self.store_io:
            headers["X-Fal-Store-IO"] = "0"
        if self.disable_fallback:
            headers["x-app-fal-disable-fallback"] = "true"
        if self.object_lifetime_seconds is not None:
            lifetime = {"expiration_duration_seconds": self.object_lifetime_seconds}
            headers["X-Fal-Object-Lifecycle-Preference"] = json.dumps(lifetime)
        return headers


class FalOptions15(FalOptions):
    """What may be wished for with OmniHuman 1.5."""

    prompt: str | None = content(None, "prompt", "What the scene should look like.")
    resolution: Literal["720p", "1080p"] = content(
        "1080p", "resolution", "Size of the video; audio of up to a minute only at 720p."
    )
    turbo_mode: bool = content(
        default=False, wire="turbo_mode", description="Faster, with a slight loss of quality."
    )


def _limits(options: Options) -> Limits:
    is_small = options.content().get("resolution") == "720p"
    return Limits(
        audio_seconds=Decimal(60 if is_small else 30),
        audio_formats=frozenset({"mp3", "ogg", "wav", "m4a", "aac"}),
        image_formats=frozenset({"jpeg", "png", "webp", "gif", "avif"}),
    )


MODELS = {
    "1.5": Model(
        version="1.5",
        id="fal-ai/bytedance/omnihuman/v1.5",
        options=FalOptions15,
        limits=_limits,
        price=Price(
            usd_per_second=Decimal("0.16"),
            as_of=date(2026, 9, 30),
            source="the model's llms.txt; its older page prints 0.14",
        ),
        takes_mask=True,
    ),
    "1": Model(
        version="1",
        id="fal-ai/bytedance/omnihuman",
        options=FalOptions,
        limits=_limits,
        price=Price(
            usd_per_second=Decimal("0.14"), as_of=READ_ON, source="the model's page of fal's docs"
        ),
    ),
}
