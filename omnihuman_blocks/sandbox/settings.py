"""What can be set while the sandbox runs: keys, queues, the pace of the models, and what is
unconfirmed about a vendor, so that a client can be tested both ways.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Vendor = Literal["runware", "fal", "pixazo", "aimlapi"]
VENDORS: tuple[Vendor, ...] = ("runware", "fal", "pixazo", "aimlapi")

Block = Literal["balance", "key", "suspended"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class Generation(_Part):
    """How long a model works: `base + per second x audio seconds`, give or take the jitter."""

    base_seconds: float = Field(default=20.0, ge=0)
    seconds_per_second: float = Field(default=6.0, ge=0)
    jitter: float = Field(default=0.2, ge=0, lt=1)
    refusal_seconds: float = Field(default=2.0, ge=0)
    """How long a model looks at an input before it says no."""
    seed: int = 0


class VendorSettings(_Part):
    """What every vendor has."""

    key: str
    slots: int = Field(default=10, ge=0)
    """How many jobs it works on at once; the others wait in its queue. 0 holds the queue."""
    usd_per_second: dict[str, float]
    """What it charges, by model, however little of it the vendor publishes."""
    blocked: Block | None = None
    """The account is refused until this is None again."""


class RunwareSettings(VendorSettings):
    """Runware's open questions."""

    key: str = "sandbox-runware-key"
    usd_per_second: dict[str, float] = {"bytedance:5@1": 0.0968, "bytedance:5@2": 0.1325}
    failures: Literal["errors", "item"] = "errors"
    """A failed job appears in `errors` beside `data`, or as an item with `status: error`."""
    progress: bool = True
    forgets_finished_after: float | None = Field(default=None, ge=0)
    """Seconds after which a finished UUID is unknown again, and can be bought again."""
    balance_usd: float = 1000.0


class FalSettings(VendorSettings):
    """fal's open questions."""

    key: str = "sandbox-fal-id:sandbox-fal-secret"
    usd_per_second: dict[str, float] = {
        "fal-ai/bytedance/omnihuman": 0.14,
        "fal-ai/bytedance/omnihuman/v1.5": 0.16,
    }
    running_status: Literal[200, 202] = 202
    """The HTTP status of a status request while the job is queued or running."""
    tells_duration: bool = True
    """Its documented examples leave `duration` and the details of the file out."""
    tells_error_in_status: bool = False
    user_id: str = "sandbox-user"


class PixazoSettings(VendorSettings):
    """Pixazo's open questions. It publishes no price; this one is the sandbox's own."""

    key: str = "sandbox-pixazo-key"
    usd_per_second: dict[str, float] = {"bytedance-omnihuman-v1-5-290": 0.11}
    media_type: Literal["video/mp4", "application/octet-stream"] = "video/mp4"
    cycle_seconds: float = Field(default=10.0, gt=0)
    """How often a webhook in mode `sync` is called, before the time scale."""


class AimlapiSettings(VendorSettings):
    """AIMLAPI's open questions."""

    key: str = "sandbox-aimlapi-key"
    usd_per_second: dict[str, float] = {
        "bytedance/omnihuman": 0.147,
        "bytedance/omnihuman/v1.5": 0.168,
    }
    ids: Literal["uuid:model", "short"] = "uuid:model"
    usage: Literal["credits_used", "tokens_used"] = "credits_used"
    usage_when_completed: bool = True
    nulls: bool = False
    """Members without a value are sent as null instead of left out."""
    running_word: Literal["generating", "active"] = "generating"
    queued_word: Literal["queued", "waiting"] = "queued"
    submit_status: Literal[200, 201] = 200
    logs_show_running: bool = True
    logs_per_minute: int | None = 200
    balance_usd: float = 1000.0


class Outputs(_Part):
    """The addresses of the videos."""

    lifetime_seconds: float | None = Field(default=None, gt=0)
    """How long an address lives when the client does not say; None is for ever."""
    expired_status: Literal[403, 404, 410] = 404
    renewed: bool = False
    """Asking for the job again gives a fresh address when the old one has expired."""


class Speech(_Part):
    """The speech server that stands beside the vendors."""

    key: str = "sandbox-speech-key"
    answers_first: list[int] = []
    """Statuses that the next requests are answered with, one each."""
    most_characters: int = Field(default=4096, ge=1)


class Settings(_Part):
    """Everything. `time_scale` shortens the vendors' own times: 0.05 is twenty times as fast."""

    time_scale: float = Field(default=0.05, ge=0)
    generation: Generation = Field(default_factory=Generation)
    runware: RunwareSettings = Field(default_factory=RunwareSettings)
    fal: FalSettings = Field(default_factory=FalSettings)
    pixazo: PixazoSettings = Field(default_factory=PixazoSettings)
    aimlapi: AimlapiSettings = Field(default_factory=AimlapiSettings)
    outputs: Outputs = Field(default_factory=Outputs)
    speech: Speech = Field(default_factory=Speech)
    webhook_attempts: int = Field(default=5, ge=1)
    webhook_timeout_seconds: float = Field(default=5.0, gt=0)

    def vendor(self, name: Vendor) -> VendorSettings:
        """The settings of one vendor."""
        part: VendorSettings = getattr(self, name)
        return part

    def change(self, changes: dict[str, Any]) -> None:
        """Takes a partial document, in which objects change only what they name."""
        merged = type(self).model_validate(_merged(self.model_dump(), changes))
        for name in type(self).model_fields:
            setattr(self, name, getattr(merged, name))


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[name] = _merged(before, value)
        else:
            merged[name] = value
    return merged
