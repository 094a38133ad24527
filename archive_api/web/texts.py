"""Every text of the pages in Chinese and English, from the one catalogue `texts.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, Literal

from archive_api.web.views import Sentence

__all__ = ["LANGUAGES", "Language", "Texts", "load_catalogue"]

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")


@cache
def load_catalogue() -> Mapping[str, Mapping[str, str]]:
    """Read the catalogue: key → language → text with `{name}` placeholders."""
    source = resources.files("archive_api.web").joinpath("texts.json").read_text(encoding="utf-8")
    catalogue: Mapping[str, Mapping[str, str]] = json.loads(source)
    return catalogue


class Texts:
    """The catalogue in one language.

    Args:
        language: `zh` or `en`.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self._catalogue = load_catalogue()

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its placeholders filled in.

        Args:
            key: of the catalogue.
            values: the placeholders' values; not escaped, the template does that.

        Raises:
            KeyError: the catalogue has no such text, or a placeholder has no value.
        """
        return self._catalogue[key][self.language].format(**values)

    def known(self, group: str, code: str) -> bool:
        """Say whether a code of a group, such as a state or reason, has a text."""
        return f"{group}.{code}" in self._catalogue

    def code(self, group: str, code: str) -> str:
        """Return the text of a code, or the code itself in words: codes come from other packages."""
        return self(f"{group}.{code}") if self.known(group, code) else code.replace("_", " ")

    def said(self, sentence: Sentence) -> str:
        """Return a sentence in this language; the catalogue's `finding.` text goes before the sentence's own."""
        if self.known("finding", sentence.code):
            return self(f"finding.{sentence.code}")
        return sentence.zh if self.language == "zh" else sentence.en
