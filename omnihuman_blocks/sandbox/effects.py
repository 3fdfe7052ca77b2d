"""Everything that the sandbox can be told to do wrong. Data only; `faults` says when."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Operation = Literal[
    "submit", "status", "result", "cancel", "upload", "logs", "download", "webhook", "generate"
]
ASKED: frozenset[Operation] = frozenset(
    ("submit", "status", "result", "cancel", "upload", "logs", "download")
)
BUYING: frozenset[Operation] = frozenset(("submit", "upload"))
GENERATE: frozenset[Operation] = frozenset(("generate",))
DOWNLOAD: frozenset[Operation] = frozenset(("download",))
WEBHOOK: frozenset[Operation] = frozenset(("webhook",))
MEMORY: frozenset[Operation] = frozenset(("submit", "status", "result"))
LOGS: frozenset[Operation] = frozenset(("logs",))


class _Effect(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    operations: ClassVar[frozenset[Operation]] = ASKED
    """Where the effect has a meaning."""
    usual: ClassVar[frozenset[Operation] | None] = None
    """Where it happens when a rule says `any`; None: wherever it has a meaning."""


# --- an exchange goes wrong ---------------------------------------------------------------------


class LostAnswer(_Effect):
    """The request is carried out, and the connection dies before a word of the answer."""

    kind: Literal["lost_answer"] = "lost_answer"
    reset: bool = False
    """A reset of the connection instead of its end."""


class Dropped(_Effect):
    """The connection dies before anything is done."""

    kind: Literal["dropped"] = "dropped"
    reset: bool = False


class TooManyRequests(_Effect):
    """HTTP 429 in the vendor's form; nothing is done."""

    kind: Literal["too_many_requests"] = "too_many_requests"
    retry_after: float | None = Field(default=None, ge=0)
    as_date: bool = False
    """`Retry-After` is a date, not seconds."""


class ServerError(_Effect):
    """A 5xx, in the vendor's form or as a proxy's HTML page."""

    kind: Literal["server_error"] = "server_error"
    status: int = Field(default=503, ge=500, le=599)
    form: Literal["json", "html"] = "json"
    carried_out: bool = False
    """The request was carried out all the same."""


class Garbled(_Effect):
    """The request is carried out; the answer is no JSON, or stops, or says something else."""

    kind: Literal["garbled"] = "garbled"
    form: Literal["half", "text", "empty", "list", "object"] = "half"


class Slow(_Effect):
    """The answer takes its time. The request is carried out first."""

    kind: Literal["slow"] = "slow"
    seconds: float = Field(default=1.0, ge=0)


class Refused(_Effect):
    """The vendor says no before anything is done.

    `balance`, `key` and `suspended` are understood by all; anything else is the vendor's own code.
    """

    kind: Literal["refused"] = "refused"
    usual: ClassVar[frozenset[Operation] | None] = BUYING
    refusal: str = "balance"
    status: int | None = Field(default=None, ge=400, le=499)


class Forgotten(_Effect):
    """A job that has ended is unknown; Runware takes its UUID again."""

    kind: Literal["forgotten"] = "forgotten"
    operations: ClassVar[frozenset[Operation]] = MEMORY


class Unlisted(_Effect):
    """AIMLAPI's log leaves jobs out: those that are running, or all."""

    kind: Literal["unlisted"] = "unlisted"
    operations: ClassVar[frozenset[Operation]] = LOGS
    running_only: bool = True


# --- a job goes wrong ---------------------------------------------------------------------------


class Fails(_Effect):
    """The job fails in the vendor's own way.

    `content`, `internal`, `timeout` and `unavailable` are understood by all; anything else is the
    vendor's own code.
    """

    kind: Literal["fails"] = "fails"
    operations: ClassVar[frozenset[Operation]] = GENERATE
    failure: str = "internal"
    message: str | None = None
    retryable: bool | None = None
    charged: bool = False
    after: float = Field(default=1.0, ge=0)
    """Which share of the model's time passes before."""


class Stuck(_Effect):
    """The job never ends."""

    kind: Literal["stuck"] = "stuck"
    operations: ClassVar[frozenset[Operation]] = GENERATE


class Slower(_Effect):
    """The model takes longer (or shorter) than usual."""

    kind: Literal["slower"] = "slower"
    operations: ClassVar[frozenset[Operation]] = GENERATE
    factor: float = Field(default=10.0, ge=0)


# --- a delivery goes wrong ----------------------------------------------------------------------


class Expired(_Effect):
    """The address is dead, for good; with `fresh`, asking for the job again gives another one."""

    kind: Literal["expired"] = "expired"
    operations: ClassVar[frozenset[Operation]] = DOWNLOAD
    status: Literal[403, 404, 410] = 404
    fresh: bool = False


class Truncated(_Effect):
    """The file stops in the middle; with `honest` the announced length is that of the piece."""

    kind: Literal["truncated"] = "truncated"
    operations: ClassVar[frozenset[Operation]] = DOWNLOAD
    keep: float = Field(default=0.5, ge=0, lt=1)
    honest: bool = False


class Empty(_Effect):
    """200, and no bytes."""

    kind: Literal["empty"] = "empty"
    operations: ClassVar[frozenset[Operation]] = DOWNLOAD


class Html(_Effect):
    """200, and a page instead of a video."""

    kind: Literal["html"] = "html"
    operations: ClassVar[frozenset[Operation]] = DOWNLOAD


class Oversized(_Effect):
    """The video is followed by rubbish up to this size."""

    kind: Literal["oversized"] = "oversized"
    operations: ClassVar[frozenset[Operation]] = DOWNLOAD
    megabytes: int = Field(default=2048, ge=1)
    announced: bool = True
    """`Content-Length` says so."""


class Endless(_Effect):
    """Bytes keep coming, `kilobytes` at a time, for as long as somebody listens."""

    kind: Literal["endless"] = "endless"
    operations: ClassVar[frozenset[Operation]] = DOWNLOAD
    kilobytes: int = Field(default=64, ge=1)
    pause_seconds: float = Field(default=0.05, ge=0)


class WrongLength(_Effect):
    """A good video of another length, and without this voice."""

    kind: Literal["wrong_length"] = "wrong_length"
    operations: ClassVar[frozenset[Operation]] = DOWNLOAD
    factor: float = Field(default=0.5, gt=0)


class OtherVideo(_Effect):
    """A good video that belongs to somebody else: another job's, or one with another sound."""

    kind: Literal["other_video"] = "other_video"
    operations: ClassVar[frozenset[Operation]] = DOWNLOAD


class GzipBomb(_Effect):
    """A small body that says it is compressed and unpacks to this size."""

    kind: Literal["gzip_bomb"] = "gzip_bomb"
    operations: ClassVar[frozenset[Operation]] = DOWNLOAD
    megabytes: int = Field(default=1024, ge=1)


# --- a callback goes wrong ----------------------------------------------------------------------


class Twice(_Effect):
    """The webhook comes again."""

    kind: Literal["twice"] = "twice"
    operations: ClassVar[frozenset[Operation]] = WEBHOOK


class Early(_Effect):
    """The webhook comes before the answer to the submission."""

    kind: Literal["early"] = "early"
    operations: ClassVar[frozenset[Operation]] = WEBHOOK


class Never(_Effect):
    """The webhook does not come."""

    kind: Literal["never"] = "never"
    operations: ClassVar[frozenset[Operation]] = WEBHOOK


class Forged(_Effect):
    """Somebody else's webhook comes first: another video's address, signed by nobody we know."""

    kind: Literal["forged"] = "forged"
    operations: ClassVar[frozenset[Operation]] = WEBHOOK


Effect: TypeAlias = Annotated[
    LostAnswer
    | Dropped
    | TooManyRequests
    | ServerError
    | Garbled
    | Slow
    | Refused
    | Forgotten
    | Unlisted
    | Fails
    | Stuck
    | Slower
    | Expired
    | Truncated
    | Empty
    | Html
    | Oversized
    | Endless
    | WrongLength
    | OtherVideo
    | GzipBomb
    | Twice
    | Early
    | Never
    | Forged,
    Field(discriminator="kind"),
]
