"""What `docs/sandbox.md` shows is what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from omnihuman_blocks.sandbox.effects import Effect
from omnihuman_blocks.sandbox.faults import Faults
from omnihuman_blocks.sandbox.settings import VENDORS, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
EFFECTS = get_args(get_args(Effect)[0])


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.__name__)
def test_every_effect_and_its_settings_are_explained(effect: type[Effect]) -> None:
    """By the name that a rule uses."""
    names = set(effect.model_fields) - {"kind"}
    assert f"`{effect.model_fields['kind'].default}`" in PAGE
    assert not {name for name in names if f"`{name}`" not in PAGE}


def test_the_example_of_rules_is_understood() -> None:
    """The rules on the page can be given to `--faults`."""
    (block,) = re.findall(r'```json\n(\{"rules".*?)```', PAGE, flags=re.DOTALL)
    faults = Faults.from_document(json.loads(block))
    assert [rule.id for rule in faults.rules] == ["riddle", "broke", "moderation", "stale"]


def test_every_setting_of_a_vendor_is_explained() -> None:
    """Those that all have, and each vendor's own."""
    settings = Settings()
    own = {name for vendor in VENDORS for name in type(settings.vendor(vendor)).model_fields} - {
        "key",
        "user_id",
        "balance_usd",
    }
    assert not {name for name in own if not re.search(rf"[`.]{name}`", PAGE)}
