"""Text in, audio out: who speaks, and what was spoken before. `Speech` chooses, `Speaker` speaks.

An engine is asked once for a recipe; its audio is kept, and is the medium from then on.
"""

from __future__ import annotations

from omnihuman_blocks.edges.speech.engine import Engine, Sound, Tools
from omnihuman_blocks.edges.speech.speaker import Speaker, Speech

__all__ = ["Engine", "Sound", "Speaker", "Speech", "Tools"]
