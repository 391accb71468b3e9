"""The child process that asks a model with `openai`: an answer of bounded size, from the server of the settings only.

`openai` takes a second to load and reads a whole answer into memory, so it has a process of its own, with limits. It
takes nothing from the environment, repeats no request, and follows no redirect, which would take the key elsewhere.
"""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stocky import __version__, certificates
from stocky.assistance.requests import ModelOutcome, ModelRequest
from stocky.logs.redaction import redact
from stocky.progress import ProgressCallback

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER_BYTES = 2**18
LONGEST_DETAIL = 300
LONGEST_CONNECT = 10.0
LONGEST_RETRY_AFTER = 86_400
# Several times what openai needs.
ADDRESS_SPACE = 2 * 2**30


class _TooLong(Exception):
    """The server sends more than an answer can need."""


def ask(request: ModelRequest, report: ProgressCallback) -> ModelOutcome:
    """Asks once; every failure is in the outcome."""
    for name in list(os.environ):
        # Else openai would add an organization or headers of another program.
        if name.startswith("OPENAI_"):
            del os.environ[name]
    import httpx2
    import openai

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = ADDRESS_SPACE if hard == resource.RLIM_INFINITY else min(ADDRESS_SPACE, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    timeout = httpx2.Timeout(request.timeout, connect=min(LONGEST_CONNECT, request.timeout))
    try:
        trusted = httpx2.create_ssl_context()
    except OSError as error:
        return ModelOutcome(failure="certificates", detail=certificates.unreadable(error))
    with httpx2.Client(
        # Else the variables of a proxy would send the key and the question there; those of certificates apply.
        trust_env=False,
        verify=trusted,
        event_hooks={"response": [_bound]},
        timeout=timeout,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
    ) as http_client:
        client = openai.OpenAI(
            api_key=request.api_key,
            base_url=request.base_url,
            timeout=timeout,
            max_retries=0,
            default_headers={"User-Agent": f"Stocky/{__version__}"},
            http_client=http_client,
        )
        try:
            answer = client.chat.completions.create(**_arguments(request))
            return _outcome(answer)
        except _TooLong:
            return ModelOutcome(failure="too_long")
        except openai.APITimeoutError:
            return ModelOutcome(failure="timeout")
        except openai.APIStatusError as error:
            return ModelOutcome(
                failure="status",
                status=error.status_code,
                detail=_shown(error.message, request),
                retry_after=_retry_after(error.response.headers.get("retry-after", "")),
            )
        except openai.APIConnectionError as error:
            return ModelOutcome(failure="unreachable", detail=_shown(_reason(error), request))
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
            # openai trusts the server: an answer of another form fails anywhere in it.
            return ModelOutcome(failure="no_answer")


def _arguments(request: ModelRequest) -> dict[str, Any]:
    question: Any = request.question
    if request.photo is not None:
        url = f"data:image/jpeg;base64,{request.photo}"
        question = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
    arguments: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": "system", "content": request.instructions}, {"role": "user", "content": question}],
        "max_completion_tokens": request.most_tokens,
    }
    if request.is_strict:
        arguments["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "suggestions", "strict": True, "schema": request.schema},
        }
    return arguments


def _outcome(answer: Any) -> ModelOutcome:
    text = answer.choices[0].message.content
    if not isinstance(text, str) or not text:
        return ModelOutcome(failure="no_answer", detail="the answer is empty")
    tokens = answer.usage and answer.usage.total_tokens
    return ModelOutcome(text=text, tokens=tokens if type(tokens) is int else None)


def _bound(response: httpx2.Response) -> None:
    """Limits what is read of a response."""
    import httpx2

    if response.headers.get("content-encoding", "identity") != "identity":
        # It was not requested, and may unpack to any size.
        raise _TooLong
    stream = response.stream
    if not isinstance(stream, httpx2.SyncByteStream):
        raise TypeError("The response is not that of a synchronous client")
    chunks, close = iter(stream), stream.close

    class Bounded(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            size = 0
            for chunk in chunks:
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    raise _TooLong
                yield chunk

        def close(self) -> None:
            close()

    response.stream = Bounded()


def _retry_after(text: str) -> int | None:
    """The seconds of a Retry-After; None for a date or anything else."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return math.ceil(min(seconds, LONGEST_RETRY_AFTER)) if seconds >= 0 else None


def _reason(error: BaseException) -> str:
    """The cause of an error of the connection, which openai hides."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def _shown(text: str, request: ModelRequest) -> str:
    """A text of the server or of the network for people: one bounded line without the key."""
    return redact(" ".join(str(text).replace(request.api_key, "…").split()))[:LONGEST_DETAIL]
