"""`PROVIDERS` is the only list of vendors; everything else that names them reads it."""

from __future__ import annotations

from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.providers import aimlapi, fal, pixazo, runware
from omnihuman_blocks.providers.base import Provider

PROVIDERS: dict[str, Provider] = {
    "runware": runware,
    "fal": fal,
    "pixazo": pixazo,
    "aimlapi": aimlapi,
}


def room(name: str) -> Provider:
    """The room of a vendor, or `CannotStart` with the names that are known."""
    try:
        return PROVIDERS[name]
    except KeyError:
        raise CannotStart(
            f"No vendor is called {name!r}. Known are: {', '.join(PROVIDERS)}."
        ) from None
