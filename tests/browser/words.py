"""What the exchange's pages say in a language, by the names that their source gives the sentences."""

import re
from pathlib import Path

_CATALOGUES = Path(__file__).parents[2] / "web/src/words"
_SENTENCE = re.compile(r"^  '?([\w.]+)'?:\s+'([^']*)',$", re.MULTILINE)


def words_of(language: str) -> dict[str, str]:
    return dict(_SENTENCE.findall((_CATALOGUES / f"{language}.ts").read_text()))
