"""The response to a script for a rejected form: problem details with every field, in the language of the page."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response

from stocky.errors import Invalid
from stocky.http.problems import PROBLEM_JSON, FieldError, Problem
from stocky.pages import languages
from stocky.pages.forms import Form
from stocky.pages.messages import message
from stocky.pages.rendering import Html, fragment_of

T = TypeVar("T", bound=msgspec.Struct)


def refused(request: Request[Any, Any, Any], form: Form[Any]) -> Html | None:
    """The response to a script whose form has errors; None without script, which gets the whole page."""
    if fragment_of(request) is None and not request.headers.get("x-requested-with"):
        return None
    with languages.language_context(request):
        errors = [FieldError(name, message(text)) for name, text in form.errors.items()]
    detail = "; ".join(f"{each.field}: {each.message}" if each.field else each.message for each in errors)
    problem = Problem(HTTPStatus(form.status).phrase, form.status, detail, errors=[e for e in errors if e.field])
    return Response(
        msgspec.json.encode(problem),
        status_code=form.status,
        media_type=PROBLEM_JSON,
        headers={"Cache-Control": "no-store"},
    )


def checked(form: Form[T]) -> T:
    """The data of a form of buttons, in which people cannot type. Raises Invalid for its first error."""
    for name, text in form.errors.items():
        raise Invalid(f"{name}: {text}" if name else text, field=name or None)
    return form.data
