"""Questions about a file that can be read in several ways: nothing is imported before each has an answer."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from stocky.errors import Invalid

# The option of an import that answers a question.
Option = Literal["mapping", "preset", "encoding", "dates", "location", "repair_barcodes", "project"]


class Answer(Struct, kw_only=True):
    """A possible answer: the `options` to send with the same file, and a `sample` of what it reads.

    A `mapping` is a part of one: add it to the `columns` that are clear.
    """

    options: dict[str, Any]
    sample: str = ""


class Question(Struct, kw_only=True):
    """What is unclear: an option to set, with the columns concerned and the field that they may hold."""

    option: Option
    message: str
    field: str | None = None
    columns: list[str] = []
    answers: list[Answer] = []

    @property
    def is_optional(self) -> bool:
        """Whether no column may hold the field."""
        return any(answer.options == {"mapping": {}} for answer in self.answers)


class Unclear(Struct, kw_only=True):
    """The questions about a file, and the field of each column as far as it is clear."""

    columns: dict[str, str | None]
    questions: list[Question]


class QuestionAsked(Invalid):
    """A file that is imported only with answers to its questions."""

    kind = "question"

    def __init__(self, questions: list[Question], columns: dict[str, str | None] | None = None) -> None:
        self.questions = questions
        super().__init__(
            "; ".join(question.message for question in questions),
            field=questions[0].option,
            results=Unclear(columns=columns or {}, questions=questions),
        )
