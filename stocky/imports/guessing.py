"""Guesses the field of each column from its header, and asks where a header may mean several things.

The exact name of a field has precedence over its other headers; a field that two columns may hold is held by none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from msgspec import Struct

from stocky.imports.fields import BY_NAME, guess, plain
from stocky.imports.questions import Answer, Question

_SAMPLES, _MAX_SAMPLE = 3, 40
_WORD = re.compile(r"[^\W\d_]+|#|[\u3040-\u30ff\u4e00-\u9fff]+")
_NUMBER = re.compile(r"[+-]?[\d.,' \u00a0\u202f]*\d")
# Headers of quantities in the languages that people send. Those of `_ALONE` mean one only without another word.
_QUANTITY_WORDS = frozenset((
    "qty", "quantity", "quantities", "amount", "count", "stock", "onhand", "pcs", "pieces", "menge", "anzahl",
    "bestand", "stück", "stk", "vorrat", "quantité", "qté", "qte", "nombre", "cantidad", "existencias", "unidades",
    "quantità", "qta", "giacenza", "quantidade", "aantal", "voorraad", "ilość", "sztuk", "stan", "množství", "počet",
    "mennyiség", "darab", "antal", "lager", "määrä", "kpl", "количество", "数量", "在庫", "在庫数", "个数",
))  # fmt: skip
_ALONE = frozenset(("number", "no", "nr", "num", "#", "units"))
# Words that make a quantity another one than the stock.
_OTHER_WORDS = frozenset((
    "min", "minimum", "minimal", "max", "maximum", "maximal", "reorder", "reserved", "allocated", "committed", "sold",
    "incoming", "per", "pack", "package", "unit", "uom", "price", "cost", "value", "target", "mindest",
    "mindestbestand", "meldebestand", "soll", "preis", "wert",
))  # fmt: skip


class Assignment(Struct):
    """The field of each column, None for a column that is ignored, and the questions that are open."""

    fields: dict[str, str | None]
    questions: list[Question]


def assign(header: Sequence[str], rows: Sequence[Sequence[str]], keys: Sequence[str]) -> Assignment:
    """The fields of columns; `rows` are the first of the file, one of `keys` has to be the field of a column."""
    fields: dict[str, str | None] = dict.fromkeys(header)
    samples = {name: samples_of(rows, index) for index, name in enumerate(header)}
    candidates: dict[str, list[str]] = {}
    for name in header:
        if field := guess(name):
            candidates.setdefault(field, []).append(name)
    questions = []
    for field, names in candidates.items():
        exact = [name for name in names if plain(name) == plain(field)]
        best = exact or names
        if field == "quantity" and not exact:
            best = [name for name in header if name in names or (not guess(name) and _is_quantity(name, samples[name]))]
        if len(best) == 1:
            fields[best[0]] = field
        else:
            questions.append(_ask(field, best, f"{_listed(best)} may each hold {field}", samples))
    if "quantity" not in candidates:
        unknown = [name for name in header if not guess(name) and _is_quantity(name, samples[name])]
        if unknown:
            message = f"{_listed(unknown)} may hold quantity, which no column holds"
            questions.append(_ask("quantity", unknown, message, samples))
    if not set(keys) & candidates.keys() and (question := _ask_key(header, fields, samples, keys)):
        questions.append(question)
    order = list(BY_NAME)
    # Custom fields come last.
    questions.sort(key=lambda question: order.index(question.field) if question.field in order else len(order))
    return Assignment(fields, questions)


def _ask(field: str, names: list[str], message: str, samples: dict[str, list[str]]) -> Question:
    answers = [Answer(options={"mapping": {name: field}}, sample=", ".join(samples[name])) for name in names]
    example = answers[0].options["mapping"]
    return Question(
        option="mapping",
        field=field,
        columns=names,
        message=f"{message}; send a mapping that says which, as in {_json(example)}",
        answers=[*answers, Answer(options={"mapping": {}}, sample="")],
    )


def _ask_key(
    header: Sequence[str], fields: dict[str, str | None], samples: dict[str, list[str]], keys: Sequence[str]
) -> Question | None:
    """Asks which column identifies items, of those that hold nothing else."""
    free = [name for name in header if name and fields[name] is None and not _is_quantity(name, samples[name])]
    if not free:
        return None
    field = "name" if "name" in keys else keys[0]
    return Question(
        option="mapping",
        field=field,
        columns=free,
        message=(
            f"No column holds {' or '.join(keys)}, which identifies items. Rename a column, or send a mapping, as in"
            f" {_json({free[0]: field})}"
        ),
        answers=[Answer(options={"mapping": {name: field}}, sample=", ".join(samples[name])) for name in free],
    )


def _is_quantity(header: str, samples: list[str]) -> bool:
    """Whether a header is like that of a quantity, and its cells are numbers."""
    words = {word.casefold() for word in _WORD.findall(header)}
    if not words or words & _OTHER_WORDS or not (words & _QUANTITY_WORDS or (len(words) == 1 and words <= _ALONE)):
        return False
    return bool(samples) and all(_NUMBER.match(sample) for sample in samples)


def samples_of(rows: Sequence[Sequence[str]], index: int) -> list[str]:
    """The first different values of a column."""
    values = [row[index].strip() for row in rows if index < len(row) and row[index].strip()]
    return [each[:_MAX_SAMPLE] for each in dict.fromkeys(values)][:_SAMPLES]


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _json(mapping: dict[str, str]) -> str:
    return json.dumps(mapping, ensure_ascii=False)
