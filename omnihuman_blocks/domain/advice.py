"""What is worth saying about a row's audio that does not decide whether it is bought."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, get_args

from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options

RESOLUTION = "resolution"


def looks_worse(limits: Limits, seconds: Decimal) -> Iterator[str]:
    """Audio that is taken, and longer than the vendor advises."""
    advised = limits.advised_audio_seconds
    if advised is not None and seconds > advised:
        yield f"The audio lasts {seconds:.2f} s; beyond {advised} s this model looks worse."


def would_fit(
    options: Options, limits: Callable[[Options], Limits], seconds: Decimal
) -> Iterator[str]:
    """Resolutions at which audio that is too long now would be taken whole."""
    if limits(options).admits_seconds(seconds):
        return
    for other in each_resolution(options):
        if limits(other).admits_seconds(seconds):
            resolution = getattr(other, RESOLUTION)
            yield f"With `{RESOLUTION}` = `{resolution}` its audio would be taken whole."


def each_resolution(options: Options) -> Iterator[Options]:
    """The options as they are, and with every other resolution that there is."""
    yield options
    known = type(options).model_fields.get(RESOLUTION)
    for other in _choices(known.annotation) if known is not None else ():
        yield options.model_copy(update={RESOLUTION: other})


def _choices(annotation: Any) -> Iterator[str]:
    """The values of a `Literal`, also where it may be left out."""
    for one in get_args(annotation):
        if isinstance(one, str):
            yield one
        else:
            yield from _choices(one)
