"""The commands that create accounts and keys, run as processes."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient

from stocky.auth.identity import TRUST_SECONDS
from tests.auth.conftest import SignIn, bearer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stocky(environ: dict[str, str]) -> Any:
    """Runs `stocky` with arguments, standard input and settings; returns (status, output, errors)."""

    async def run(*arguments: str, given: str = "", **settings: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stocky", *arguments, **_pipes(), cwd=ROOT, env=os.environ | environ | settings
        )
        output, errors = await process.communicate(given.encode())
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    return run


async def test_create_admin_reads_the_password_from_environment_or_stdin(stocky: Any, sign_in: SignIn) -> None:
    ada = ("create-admin", "--username", "ada", "--email", "ada@example.org")
    assert await stocky(*ada, STOCKY_ADMIN_PASSWORD="difference engine") == (0, "Added the admin ada\n", "")
    assert (await sign_in("ada", "difference engine"))["role"] == "admin"
    eve = ("create-admin", "--username", "eve", "--email", "eve@example.org", "--json")
    status, output, _ = await stocky(*eve, given="analytical engine\n")
    assert (status, json.loads(output)["role"]) == (0, "admin")
    await sign_in("eve", "analytical engine")


async def test_errors_are_one_line(stocky: Any) -> None:
    wrong = {
        "username": ("MEMBER", "ada@example.org", "difference engine"),
        "email": ("ada", "Member@example.org", "difference engine"),
        "password: must have at least 8 characters": ("ada", "ada@example.org", "seven77"),
        "email: must be an address like": ("ada", "ada", "difference engine"),
        "username: must have at least 3 characters": ("a", "ada@example.org", "difference engine"),
        "A password is needed": ("ada", "ada@example.org", ""),
    }
    for message, (username, email, password) in wrong.items():
        command = ("create-admin", "--username", username, "--email", email)
        status, output, errors = await stocky(*command, given=password)
        assert (status, output) == (1, "")
        assert errors.startswith("stocky: ")
        assert errors.count("\n") == 1
        assert message in errors


def test_terminal_asks_for_the_password_twice(environ: dict[str, str]) -> None:
    command = [sys.executable, "-m", "stocky", "create-admin", "--username", "ada", "--email", "ada@example.org"]
    for again, status in (("another engine", 1), ("difference engine", 0)):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, cwd=ROOT, env=os.environ | environ,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        for line in ("difference engine", again):
            shown = b""
            while not shown.endswith(b": "):
                shown += os.read(ours, 1000)
            os.write(ours, f"{line}\n".encode())
        output, _ = process.communicate(timeout=60)
        os.close(ours)
        assert process.returncode == status, output


async def test_reset_password_ends_sessions_within_a_second(client: AsyncClient, stocky: Any, sign_in: SignIn) -> None:
    headers = bearer((await sign_in())["access_token"])
    assert (await client.get("/auth/me", headers=headers)).status_code == 200
    assert (await stocky("reset-password", "Member", given="an even better one\n"))[0] == 0
    await asyncio.sleep(TRUST_SECONDS)
    assert (await client.get("/auth/me", headers=headers)).status_code == 401
    await sign_in("member", "an even better one")
    assert (await stocky("reset-password", "nobody", given="an even better one\n"))[0] == 1
    status, output, _ = await stocky("reset-password", "Member", "--json", given="an even better one\n")
    assert (status, json.loads(output)["username"]) == (0, "member")
    result = await stocky("reset-password", "Member", given="short\n")
    assert result == (1, "", "stocky: password: must have at least 8 characters\n")


async def test_create_key_prints_the_key_and_can_create_a_scanner_account(client: AsyncClient, stocky: Any) -> None:
    door = ("create-key", "door scanner", "--name", "door")
    status, _, errors = await stocky(*door)
    assert (status, errors) == (1, "stocky: There is no user named 'door scanner'\n")
    status, output, _ = await stocky(*door, "--create")
    assert status == 0
    me = (await client.get("/auth/me", headers={"X-API-Key": output.strip()})).json()
    assert (me["username"], me["role"]) == ("door scanner", "scanner")
    status, output, _ = await stocky(*door, "--create", "--json")
    key = json.loads(output)
    assert (status, key["user_id"], key["name"]) == (0, me["id"], "door")
    assert (await client.get("/auth/me", headers={"X-API-Key": key["api_key"]})).json() == me


def _pipes() -> dict[str, int]:
    return dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
