"""`make words`: brings the translations up to date with the texts of the pages.

New texts get an empty translation, which `tests/pages/test_words.py` then asks for.
"""

from __future__ import annotations

from stocky.pages.languages import DIRECTORY
from tests.pages import words


def main() -> None:
    for language in words.TRANSLATED:
        file = DIRECTORY / f"{language}.po"
        text = words.written(language)
        file.write_text(text, "utf-8")
        missing = [message.text for message, strings in words.translations(language).items() if not all(strings)]
        print(f"{file.name}: {len(missing)} texts to translate")
        for text in missing:
            print(f"  {text}")


if __name__ == "__main__":
    main()
