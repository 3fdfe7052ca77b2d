"""Words of `--option KEY=VALUE` -> which model, how many takes of each row, and wishes for all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.errors import CannotStart

MODEL = "model"
VARIANTS = "variants"
MOST_VARIANTS = 100
"""Each take is bought; a slip of a finger should not buy a thousand."""
USUAL_WISHES = frozenset({"prompt", "resolution", "seed", "turbo_mode"})
"""Columns that are wishes even where no model at hand knows them: they are named as ignored."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What was asked for all rows at once."""

    model: str | None = None
    """The version; None for the vendor's newest."""
    variants: int = 1
    wishes: Mapping[str, object] = field(default_factory=dict)


def wish_columns(models: Collection[type[Options]]) -> frozenset[str]:
    """The columns of the tables that are wishes: all that shapes a video.

    How a job is handled is nothing that a row decides; a column such as `tags` is the table's own.
    """
    shaping = (
        name
        for options in models
        for name in options.model_fields
        if options.role_of(name) == "content"
    )
    return USUAL_WISHES | frozenset(shaping)


def understand_options(
    words: Mapping[str, object], models: Collection[type[Options]]
) -> Invocation:
    """The options of an invocation; `CannotStart` where one is not known or makes no sense."""
    names = {name for options in models for name in options.model_fields}
    known = names | USUAL_WISHES | {MODEL, VARIANTS}
    for name in words:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            meant = f" Did you mean `{near[0]}`?" if near else ""
            raise CannotStart(
                f"`--option {name}` is not known to any model here.{meant} "
                f"There is {', '.join(f'`{one}`' for one in sorted(known))}."
            )
    model = words.get(MODEL)
    return Invocation(
        model=None if model is None else str(model),
        variants=_variants(words.get(VARIANTS, 1)),
        wishes={name: word for name, word in words.items() if name not in (MODEL, VARIANTS)},
    )


def _variants(word: object) -> int:
    text = str(word).strip()
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_VARIANTS:
        return int(text)
    raise CannotStart(
        f"`--option variants={text[:40]}` must be a whole number from 1 to {MOST_VARIANTS}."
    )
