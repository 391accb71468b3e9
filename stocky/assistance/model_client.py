"""Asks the model in a child process: within the limits of the day and in bounded time.

Each request is counted before it is sent, in the database, so that all processes together stay within the limits.
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, time, timedelta
from http import HTTPStatus
from typing import Any

import msgspec

from stocky import clock
from stocky.assistance import repository
from stocky.assistance.requests import ModelOutcome, ModelRequest
from stocky.assistance.settings import AssistanceSettings
from stocky.db import Database
from stocky.errors import StockyError, Throttled, Unavailable
from stocky.progress import ignore_progress
from stocky.worker.process import run_worker

MOST_ANSWER_TOKENS = 4_000
# A token has about four bytes of English, and fewer of other text.
BYTES_PER_TOKEN = 3
PHOTO_TOKENS = 2_000
# What one request may be counted as, whatever a server says.
MOST_TOKENS = 1_000_000
# Loading openai takes longer on a small machine.
START_SECONDS = 20.0
# The longest pause that a server may ask for; after a longer one people ask again.
LONGEST_PAUSE = 20
# Answers of servers that know no structured output.
_UNSUPPORTED = frozenset((400, 415, 422, 501))


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask; `photo` is a JPEG."""

    instructions: str
    text: str
    schema: dict[str, Any]
    photo: bytes | None = None

    @property
    def tokens(self) -> int:
        """An estimate of the tokens of the question and the longest answer."""
        length = len(self.instructions.encode()) + len(self.text.encode())
        return length // BYTES_PER_TOKEN + (PHOTO_TOKENS if self.photo else 0) + MOST_ANSWER_TOKENS


class ModelClient:
    """The client of one process."""

    def __init__(self, settings: AssistanceSettings, database: Database) -> None:
        self._settings = settings
        self._database = database
        # Whether to ask for structured output: until the server is seen to answer only without.
        self._is_strict = True

    async def ask(self, question: Question) -> str:
        """The text of the answer.

        Raises Throttled when the limits of the day are reached, and Unavailable for every failure.
        """
        has_paused = False
        is_strict = self._is_strict
        while True:
            outcome = await self._ask_once(question, is_strict=is_strict)
            if not outcome.failure:
                self._is_strict = is_strict
                return outcome.text
            pause = outcome.retry_after
            if outcome.status in (429, 503) and pause is not None and pause <= LONGEST_PAUSE and not has_paused:
                has_paused = True
                await asyncio.sleep(pause)
            elif is_strict and outcome.status in _UNSUPPORTED:
                is_strict = False
            else:
                raise self._failure(outcome)

    async def _ask_once(self, question: Question, *, is_strict: bool) -> ModelOutcome:
        settings, day = self._settings, clock.today()
        estimate = question.tokens
        async with self._database.transaction() as tx:
            has_place = await repository.reserve_usage(
                tx, day, estimate, settings.daily_requests, settings.daily_tokens
            )
        if not has_place:
            raise exhausted(settings)
        request = ModelRequest(
            base_url=settings.base_url,
            api_key=settings.api_key,
            model=settings.model,
            timeout=settings.timeout,
            instructions=question.instructions,
            question=question.text,
            schema=question.schema,
            is_strict=is_strict,
            most_tokens=MOST_ANSWER_TOKENS,
            photo=None if question.photo is None else base64.b64encode(question.photo).decode(),
        )
        try:
            async with asyncio.timeout(settings.timeout + START_SECONDS):
                outcome = await run_worker(request, ModelOutcome, ignore_progress)
        except TimeoutError:
            outcome = ModelOutcome(failure="timeout")
        except StockyError as error:
            # The child reached its limits.
            raise Unavailable(f"The model's answer could not be read ({error.detail})", retry_after=60) from error
        if outcome.tokens is not None and 0 <= outcome.tokens <= MOST_TOKENS:
            async with self._database.transaction() as tx:
                await repository.settle_usage(tx, day, outcome.tokens - estimate)
        return outcome

    def _failure(self, outcome: ModelOutcome) -> Unavailable:
        reason = f" ({outcome.detail})" if outcome.detail else ""
        status, what = outcome.status or 0, "sent no answer of the protocol" + reason
        if outcome.failure == "certificates":
            what = f"was not asked: {outcome.detail}"
        elif outcome.failure == "timeout":
            what = f"did not answer within {self._settings.timeout} seconds (STOCKY_AI_TIMEOUT)"
        elif outcome.failure == "too_long":
            what = "sent more than an answer can need"
        elif outcome.failure == "unreachable":
            what = f"cannot be reached{reason}; check that it runs, and STOCKY_AI_BASE_URL"
        elif status in (401, 403):
            what = f"refuses the key{reason}; check STOCKY_AI_API_KEY"
        elif status == HTTPStatus.NOT_FOUND:
            what = f"does not know the model or the path{reason}; check STOCKY_AI_MODEL and STOCKY_AI_BASE_URL"
        elif 300 <= status < 400:
            what = f"answered {status}: redirects are not followed; set STOCKY_AI_BASE_URL to the redirect's target"
        elif status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = f", wait {outcome.retry_after} seconds" if outcome.retry_after else ""
            what = f"accepts no more requests now{wait}{reason}"
        elif status:
            what = f"answered {status}{reason}"
        return Unavailable(f"The model's server {self._settings.server} {what}", retry_after=outcome.retry_after or 60)


def exhausted(settings: AssistanceSettings) -> Throttled:
    """The error while the limits of the day are reached."""
    now = clock.now()
    opens = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    return Throttled(
        f"The model was asked as often today as the settings allow ({settings.daily_requests} requests and"
        f" {settings.daily_tokens} tokens); ask again from 00:00 UTC, or raise STOCKY_AI_DAILY_REQUESTS or"
        " STOCKY_AI_DAILY_TOKENS",
        retry_after=max(1, round((opens - now).total_seconds())),
    )
