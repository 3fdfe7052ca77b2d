"""The letters of a text beside the language it is said to be in.

A cell in the wrong column or the wrong locale is what this finds: read aloud it would cost as
much as the right one. Which language a text in the right letters is in, nobody is asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from omnihuman_blocks.domain.locales import language_of, names_script, script_of_locale
from omnihuman_blocks.errors import InvalidRow

LATIN = "LATIN"
SCRIPTS: dict[str, tuple[str, ...]] = {
    "Arab": ("ARABIC",),
    "Armn": ("ARMENIAN",),
    "Beng": ("BENGALI",),
    "Cyrl": ("CYRILLIC",),
    "Deva": ("DEVANAGARI",),
    "Ethi": ("ETHIOPIC",),
    "Geor": ("GEORGIAN",),
    "Grek": ("GREEK",),
    "Gujr": ("GUJARATI",),
    "Guru": ("GURMUKHI",),
    "Hans": ("CJK", "BOPOMOFO"),
    "Hant": ("CJK", "BOPOMOFO"),
    "Hebr": ("HEBREW",),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA"),
    "Khmr": ("KHMER",),
    "Knda": ("KANNADA",),
    "Kore": ("HANGUL", "CJK"),
    "Laoo": ("LAO",),
    "Latn": (LATIN,),
    "Mlym": ("MALAYALAM",),
    "Mymr": ("MYANMAR",),
    "Orya": ("ORIYA",),
    "Sinh": ("SINHALA",),
    "Taml": ("TAMIL",),
    "Telu": ("TELUGU",),
    "Thai": ("THAI",),
    "Tibt": ("TIBETAN",),
}
"""What locales call a script -> what Unicode calls its letters."""
KNOWN = frozenset(script for scripts in SCRIPTS.values() for script in scripts)
TITLES = {"CJK": "Chinese", "HANGUL": "Korean"}
UNSPACED = {"CJK", "HIRAGANA", "KATAKANA", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"}
"""Where words stand side by side without spaces."""
IN_LATIN_TOO = {"az", "bs", "crh", "kk", "ku", "ky", "mn", "ms", "sr", "tg", "tk", "tt", "ug", "uz"}
"""Languages that people write in Latin letters as well as in their own."""


def tidy(text: str) -> str:
    """The text without what nobody hears: doubled spaces, line ends, control characters."""
    text = unicodedata.normalize("NFC", text)
    heard = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs"))
    return re.sub(r"\s+", lambda gap: "\n" if gap[0].count("\n") > 1 else " ", heard).strip()


@lru_cache(maxsize=4096)
def script_of(letter: str) -> str:
    """What Unicode calls the script of a letter: the first word of its name."""
    name = unicodedata.name(letter, "").removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ")
    script = name.partition(" ")[0].partition("-")[0]
    return "CJK" if script == "IDEOGRAPHIC" else script


def has_no_spaces(letter: str) -> bool:
    """Whether words in this letter's script stand side by side without spaces."""
    return script_of(letter) in UNSPACED


def letters_by_script(text: str) -> Counter[str]:
    """How many letters of each script a text has; signs that all scripts share do not count."""
    letters = (script_of(c) for c in text if unicodedata.category(c)[0] == "L")
    return Counter(script for script in letters if script in KNOWN)


def check_writing(text: str, locale: str) -> None:
    """`InvalidRow` where the text can hardly be in the language of its locale."""
    if not any(unicodedata.category(c)[0] in "LN" for c in text):
        raise InvalidRow("`text` has no letter and no number: there is nothing to say.", "text")
    own = _scripts_of(locale)
    letters = letters_by_script(text)
    ours = sum(letters[script] for script in own)
    # Names of products are written in Latin letters everywhere.
    strangers = sum(n for script, n in letters.items() if script not in (*own, LATIN))
    if own and letters and (ours == 0 or strangers > ours):
        most = max((s for s in letters if s not in own), key=lambda script: letters[script])
        raise InvalidRow(
            f"`text` is written in {script_title(most)} letters, and {locale} is written in "
            f"{script_title(own[0])} ones. Correct `locale`, or the text.",
            "text",
        )


def _scripts_of(locale: str) -> tuple[str, ...]:
    own = SCRIPTS.get(script_of_locale(locale), ())
    if own and language_of(locale) in IN_LATIN_TOO and not names_script(locale):
        return (*own, LATIN)
    return own


def script_title(script: str) -> str:
    """What people call a script."""
    return TITLES.get(script, script.capitalize())
