"""What handlers declare for the OpenAPI document besides their signatures: roles, errors and media types.

`openapi_document` derives the rest. A handler lists with `problem` only the errors specific to it.
"""

from __future__ import annotations

from litestar.openapi.datastructures import ResponseSpec

from stocky.http.problems import PROBLEM_JSON, Problem

# The route option with the roles that may call it; a route without it is public.
ROLES_OPTION = "roles"
# The route option with the fields of a form with a file, and their descriptions.
FORM_OPTION = "form"
# The route options of a path that names nothing that could be missing, and of a POST that changes nothing.
ALWAYS_FOUND_OPTION, READ_ONLY_OPTION = "always_found", "read_only"
# The route option with the media types of the response.
PRODUCES_OPTION = "produces"

NOT_FOUND = "Something the request names does not exist; see `detail`"


def problem(description: str) -> ResponseSpec:
    """For a handler's `responses`: an error specific to this route, as in `{429: problem("Too many attempts")}`."""
    return ResponseSpec(Problem, generate_examples=False, description=description, media_type=PROBLEM_JSON)


def produces(*media_types: str) -> dict[str, tuple[str, ...]]:
    """Route options: the media types of the response, where they are not one that the handler names."""
    return {PRODUCES_OPTION: media_types}


# Route options: whatever the path names is there.
always_found = {ALWAYS_FOUND_OPTION: True}
# Route options: a POST that changes nothing.
read_only = {READ_ONLY_OPTION: True}
# For a handler's `responses`: its body or its query names something that may be missing. Of a path this is derived.
may_be_missing = {404: problem(NOT_FOUND)}
