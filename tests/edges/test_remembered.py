"""What was found out about a file is found again, as long as the file is the same."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.media import fingerprint_of
from omnihuman_blocks.edges.remembered import LedgerMemory

VOICE = Media(
    kind=MediaKind.AUDIO,
    uri="/media/line.wav",
    sha256="a" * 64,
    size=9,
    format="wav",
    seconds=Decimal("9.5200"),
)


def test_media_are_recalled_as_they_were_examined(tmp_path: Path) -> None:
    """Every field, exact, by the next invocation; a changed file is unknown."""
    same = fingerprint_of(VOICE.uri, VOICE.kind, "9 1 1")
    changed = fingerprint_of(VOICE.uri, VOICE.kind, "9 2 2")
    as_image = fingerprint_of(VOICE.uri, MediaKind.IMAGE, "9 1 1")
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        memory = LedgerMemory(ledger)
        assert memory.recall(same) is None
        memory.remember(same, VOICE)
        memory.flush()
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        memory = LedgerMemory(ledger)
        memory.preload([same, as_image])
        memory.preload([changed])  # a file is in one state at a time
        assert memory.digest(same) == VOICE.sha256
        assert memory.recall(same) == VOICE
        for other in (changed, as_image):
            assert memory.digest(other) is None
            assert memory.recall(other) is None
