"""`--speech`, `--voices`, `--lexicon`: from words and files to who speaks how."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.domain.lexicon import Entry
from omnihuman_blocks.edges.note import Note, read_note, write_note
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.speech.choosing import choose_engine
from omnihuman_blocks.edges.speech.espeak import Espeak
from omnihuman_blocks.edges.speech.files import read_lexicon, read_voices_file
from omnihuman_blocks.edges.speech.openai import OpenAi
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.walk.order import Order
from omnihuman_blocks.walk.speaking import speech_of

KEY = {"OMNIHUMAN_SPEECH_KEY": " sk-1 "}


def test_the_embedded_voice_speaks_where_nothing_is_said() -> None:
    """It needs no key."""
    assert choose_engine(None, {}) == choose_engine("espeak", KEY) == Espeak()
    assert choose_engine("espeak?speed=1.5", {}) == Espeak(speed=Decimal("1.5"))


def test_a_server_is_named_by_its_address() -> None:
    """What is asked of it stands behind it; the key does not."""
    word = "openai:https://a.example/v1?model=tts-1-hd&speed=0.9&format=mp3&lang_code={language}"
    assert choose_engine(word, KEY) == OpenAi(
        url="https://a.example/v1",
        model="tts-1-hd",
        key="sk-1",
        speed=Decimal("0.9"),
        format="mp3",
        extra={"lang_code": "{language}"},
    )
    bare = choose_engine("openai:http://localhost:8880/v1", {})
    assert bare == OpenAi(url="http://localhost:8880/v1")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("festival", "write espeak, openai:URL or block:NAME"),
        ("openai", "write espeak, openai:URL or block:NAME"),
        ("openai:nowhere", "http or https address"),
        ("espeak?pitch=3", "takes only `speed`"),
        ("espeak?speed=fast", "is no number"),
        ("espeak?speed=nan", "is no number"),
        ("openai:https://a.example/v1?api_key=sk-2", "does not belong on a command line"),
    ],
)
def test_a_word_that_names_nobody_says_what_to_write(word: str, said: str) -> None:
    """On the one line that is shown; without a key that stood in it."""
    with pytest.raises(CannotStart, match=said) as refused:
        choose_engine(word, {})
    assert "sk-2" not in str(refused.value)


def test_files_say_how_text_is_spoken(tmp_path: Path) -> None:
    """Voices as JSON, a lexicon as CSV or Parquet."""
    voices, lexicon, parquet = (tmp_path / name for name in ("v.json", "l.csv", "l.parquet"))
    voices.write_text(json.dumps({"anna": {"en": "f2", "*": "f1"}}))
    lexicon.write_text("locale,written,said,note\nen_us,SQL,sequel,x\n*,1.5, one point five ,\n")
    pq.write_table(pa.table({"locale": ["de"], "written": ["ä"], "said": ["ae"]}), parquet)
    order = Order(
        scripts="", avatars="", results="", provider="", voices=str(voices), lexicon=str(lexicon)
    )
    speech = speech_of(order, {})
    assert speech.engine == Espeak()
    recipe = speech.recipe(text="SQL 1.5", locale="en-US", voice="anna")
    assert recipe.voice == "en-us+f2"
    assert recipe.lexicon == (("1.5", "one point five"), ("SQL", "sequel"))
    assert read_lexicon(str(parquet)).entries == (Entry(locale="de", written="ä", said="ae"),)


@pytest.mark.parametrize(
    ("read", "name", "content", "said"),
    [
        (read_voices_file, "v.json", None, "v.json is not there"),
        (read_voices_file, "v.json", "{", "is no JSON"),
        (read_voices_file, "v.json", "[]", "cannot be understood: write"),
        (read_lexicon, "l.csv", "locale,written\nen,a\n", "no column `said`"),
        (read_lexicon, "l.csv", "locale,written,said\nen,a,\n", "row 1, column `said` is empty"),
        (read_lexicon, "l.csv", "locale,written,said\nklingonish,a,b\n", "is no language tag"),
        (read_lexicon, "l.csv", "locale,written,said\nen,a,b\nen,a\n", "row 2"),
    ],
)
def test_a_file_that_is_wrong_says_where(
    tmp_path: Path, read: Callable[[str], object], name: str, content: str | None, said: str
) -> None:
    """Nothing starts: half a lexicon would buy the wrong videos."""
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(CannotStart, match=said):
        read(str(tmp_path / name))


def test_what_could_sound_different_makes_rows_be_looked_at_again(tmp_path: Path) -> None:
    """Engine, speed, voices, lexicon; not a key."""
    lexicon, voices = tmp_path / "l.csv", tmp_path / "v.json"
    lexicon.write_text("locale,written,said\nen,SQL,sequel\n")
    voices.write_text('{"default": "f1"}')
    plain = Order(scripts="", avatars="", results="", provider="")
    server = replace(plain, speech="openai:http://localhost/v1")
    orders = [
        *(plain, server, replace(plain, speech="espeak?speed=2")),
        *(replace(plain, lexicon=str(lexicon)), replace(plain, voices=str(voices))),
    ]
    settings = [json.dumps(speech_of(one, {}).settings, default=str) for one in orders]
    assert len(set(settings)) == len(orders)
    assert json.dumps(speech_of(server, KEY).settings, default=str) == settings[1]


def test_the_note_of_a_folder_knows_who_spoke(tmp_path: Path) -> None:
    """So that a retry speaks in the same voice; keys are in no address."""
    folder = ResultsFolder.at(tmp_path)
    note = Note(
        scripts="s", avatars="a", provider="fal", speech="espeak", voices="v", lexicon="l.csv"
    )
    write_note(folder, note)
    assert read_note(folder) == note
