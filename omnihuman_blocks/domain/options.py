"""What may be wished for a job, typed and limited, one class per vendor's model.

Each option is `content` (it changes the video, so it is part of the job's key and its default is
written out and sent) or `handling` (it does not). The same classes check a table's cells, a
command line's words and a block's form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from omnihuman_blocks.domain.wire import Json, Record, is_web_address
from omnihuman_blocks.errors import InvalidRow

Role = Literal["content", "handling"]


def _web_address(value: str) -> str:
    if value.isascii() and is_web_address(value):
        return value
    raise ValueError("give a full http or https address, in ASCII and without spaces")


WebAddress: TypeAlias = Annotated[str, AfterValidator(_web_address)]
"""An address that a vendor is told; ASCII, because some of them travel in a header."""


def content(default: Any, wire: str, description: str, **limits: Any) -> Any:
    """An option that changes the video. `wire` is the vendor's name for it, dots for nesting."""
    return Field(
        default, description=description, json_schema_extra=_mark("content", wire), **limits
    )


def handling(default: Any, wire: str, description: str, **limits: Any) -> Any:
    """An option that changes how the job is treated, not what comes out of it.

    `wire` is a name in the body; `header:NAME` and `query:NAME` put it there instead; empty means
    that the room itself decides where it goes.
    """
    return Field(
        default, description=description, json_schema_extra=_mark("handling", wire), **limits
    )


def _mark(role: Role, wire: str) -> dict[str, Any]:
    return {"role": role, "wire": wire}


class Options(BaseModel):
    """Checked wishes for one model of one vendor. Frozen, so that a key stays true."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        """An empty cell of a table is no wish; `prompt=""` and no prompt are the same video."""
        return None if isinstance(value, str) and not value.strip() else value

    @classmethod
    def understand(cls, wishes: Mapping[str, object]) -> tuple[Self, tuple[str, ...]]:
        """The options, and the names of wishes that this model cannot honour.

        An absent wish (None) takes the default. A wish that is known and wrong raises
        `InvalidRow` naming its column.
        """
        wished = {name: value for name, value in wishes.items() if not _is_absent(value)}
        known = {name: value for name, value in wished.items() if name in cls.model_fields}
        try:
            options = cls.model_validate(known)
        except ValidationError as error:
            raise _invalid(error) from None
        return options, tuple(sorted(wished.keys() - known.keys()))

    def calling(self, address: str) -> Self:
        """The same wishes, with an address that is called about this one purchase.

        For vendors that call back; their options have a field `webhook_url`.
        """
        return self.model_copy(update={"webhook_url": address})

    def content(self) -> Record:
        """What is hashed: every content option with its value; an absent one is not there."""
        return {
            name: cast("Json", value)
            for name, value in self.model_dump(mode="json").items()
            if value is not None and self.role_of(name) == "content"
        }

    def body(self) -> Record:
        """What goes into the request's body, under the vendor's names."""
        body: Record = {}
        for wire, value in self._sent():
            if ":" not in wire:
                *path, leaf = wire.split(".")
                place = body
                for step in path:
                    place = cast("Record", place.setdefault(step, {}))
                place[leaf] = value
        return body

    def headers(self) -> dict[str, str]:
        """What goes into the request's headers."""
        return self._strings("header:")

    def params(self) -> dict[str, str]:
        """What goes into the request's query."""
        return self._strings("query:")

    def _strings(self, place: str) -> dict[str, str]:
        return {
            wire.removeprefix(place): _plain(value)
            for wire, value in self._sent()
            if wire.startswith(place)
        }

    def _sent(self) -> list[tuple[str, Json]]:
        dumped = self.model_dump(mode="json")
        wires = ((self.wire_of(name), value) for name, value in dumped.items())
        return [(wire, cast("Json", value)) for wire, value in wires if wire and value is not None]

    @classmethod
    def role_of(cls, name: str) -> Role:
        """Whether an option is part of the key."""
        return cast("Role", cls._marks(name)["role"])

    @classmethod
    def wire_of(cls, name: str) -> str:
        """The vendor's name for an option."""
        return cast("str", cls._marks(name)["wire"])

    @classmethod
    def _marks(cls, name: str) -> dict[str, Any]:
        return cast("dict[str, Any]", cls.model_fields[name].json_schema_extra)


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _plain(value: Json) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _invalid(error: ValidationError) -> InvalidRow:
    first = error.errors(include_url=False, include_context=False)[0]
    column = str(first["loc"][0]) if first["loc"] else None
    shown = repr(first["input"])[:80]
    return InvalidRow(f"`{column}` is {shown}: {first['msg']}", column)
