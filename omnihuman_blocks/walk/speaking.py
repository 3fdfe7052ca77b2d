"""What an order says about speech -> who speaks its texts, with which voices and pronunciations.

speech = speech_of(order, os.environ, block=load_speech_block(order.speech))
speaker = Speaker(speech, folder=folder, tools=Tools(http=http, pool=pool))
spoken = await speaker.speak(speaker.recipe(text=..., locale=..., voice=...))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omnihuman_blocks.domain.lexicon import NO_LEXICON
from omnihuman_blocks.domain.voices import NO_VOICES
from omnihuman_blocks.edges.speech import Speech
from omnihuman_blocks.edges.speech.choosing import choose_engine
from omnihuman_blocks.edges.speech.files import read_lexicon, read_voices_file
from omnihuman_blocks.walk.order import Order


def speech_of(order: Order, environment: Mapping[str, str], *, block: Any = None) -> Speech:
    """Who speaks. `block` is the loaded speech block where the order names one."""
    voices = NO_VOICES if order.voices is None else read_voices_file(order.voices)
    lexicon = NO_LEXICON if order.lexicon is None else read_lexicon(order.lexicon)
    if block is not None:
        return Speech(engine=block.engine(), voices=block.voices_or(voices), lexicon=lexicon)
    return Speech(engine=choose_engine(order.speech, environment), voices=voices, lexicon=lexicon)
