"""The parts of the fuzz import each other as `tests.fuzz`; it is a program of its own, too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
