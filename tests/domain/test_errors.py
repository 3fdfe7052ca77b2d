"""Errors carry decisions across processes."""

from __future__ import annotations

import pickle

import pytest

from omnihuman_blocks import errors
from omnihuman_blocks.errors import InvalidRow, OmniHumanError, Refused, Transient

EVERY = [
    cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, OmniHumanError)
]


@pytest.mark.parametrize("cls", EVERY)
def test_every_error_crosses_a_process_border_unchanged(cls: type[OmniHumanError]) -> None:
    """Prefect and process pools pickle what is raised."""
    copy = pickle.loads(pickle.dumps(cls("what, where, what next")))  # noqa: S301
    assert type(copy) is cls
    assert str(copy) == copy.message == "what, where, what next"


def test_what_an_error_carries_crosses_too() -> None:
    """The column, the vendor's wish and the vendor's word are not lost on the way."""
    for error in (InvalidRow("m", "image_uri"), Transient("m", 3.0), Refused("m", "code")):
        assert vars(pickle.loads(pickle.dumps(error))) == vars(error)  # noqa: S301


def test_every_error_stands_in_the_tree() -> None:
    """The module's docstring is the map; nothing is missing from it."""
    assert errors.__doc__ is not None
    for cls in EVERY:
        assert f" {cls.__name__}" in errors.__doc__
