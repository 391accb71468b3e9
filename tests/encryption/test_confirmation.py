"""The passphrase of the backups is asked for again each month, by the API, an alert, and the pages' state."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.backup.encryption.confirmation import STATE_FILE, PassphraseConfirmation
from stocky.config import Config
from stocky.db import Database
from tests.backup.dumps import done
from tests.encryption.keys import FOR_RECIPIENTS, OTHER_PASSPHRASE, PASSPHRASE, note_confirmation
from tests.inventory import Json, get, made, refused

pytestmark = pytest.mark.one_server


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | {"STOCKY_BACKUP_PASSPHRASE": PASSPHRASE}


@pytest.fixture
def confirmed(request: pytest.FixtureRequest, config: Config) -> None:
    """Confirmed this many days from now, before the application starts: that begins with a look."""
    note_confirmation(config, clock.now() + timedelta(days=request.param))


async def alerts(admin: AsyncClient) -> list[Json]:
    return [each for each in await get(admin, "/alerts/") if each["alert_type"] == "passphrase_unconfirmed"]


async def test_new_passphrase_counts_as_just_typed(app: Litestar, admin: AsyncClient) -> None:
    await app.state.passphrase_confirmation.look()
    state = await get(admin, "/system/encryption")
    assert (state["method"], state["is_due"]) == ("passphrase", False)
    confirmed, due = (datetime.fromisoformat(state[name]) for name in ("confirmed_at", "due_at"))
    assert due - confirmed == timedelta(days=30)
    assert await alerts(admin) == []


# Also when the time is in the future, by a clock that was wrong.
@pytest.mark.parametrize("confirmed", [-30, 2], indirect=True)
@pytest.mark.usefixtures("confirmed")
async def test_alert_asks_for_it_until_it_is_typed(app: Litestar, admin: AsyncClient, config: Config) -> None:
    await app.state.passphrase_confirmation.look()
    assert (await get(admin, "/system/encryption"))["is_due"]
    (alert,) = await alerts(admin)
    assert "Type the passphrase" in alert["message"]

    wrong = refused(await admin.post("/system/encryption/passphrase", json={"passphrase": OTHER_PASSPHRASE}), 400)
    assert "This is not the passphrase" in wrong["detail"]
    assert len(await alerts(admin)) == 1
    state = made(await admin.post("/system/encryption/passphrase", json={"passphrase": PASSPHRASE}))
    assert not state["is_due"]
    assert await alerts(admin) == []
    assert PASSPHRASE not in (config.backup_dir / STATE_FILE).read_text()


@pytest.mark.parametrize("confirmed", [-31], indirect=True)
@pytest.mark.usefixtures("confirmed")
async def test_alert_that_a_person_resolved_is_not_raised_at_once(app: Litestar, admin: AsyncClient) -> None:
    await app.state.passphrase_confirmation.look()
    (alert,) = await alerts(admin)
    made(await admin.patch(f"/alerts/{alert['id']}/resolve"))
    await app.state.passphrase_confirmation.look()
    assert await alerts(admin) == []


@pytest.fixture(params=[b"{", b'{"fingerprint":"\xf7"}', b'{"x":' + b"[" * 100_000], ids=["cut off", "bytes", "nested"])
def damaged_state(config: Config, request: pytest.FixtureRequest) -> None:
    config.backup_dir.mkdir(parents=True, exist_ok=True)
    (config.backup_dir / STATE_FILE).write_bytes(request.param)


@pytest.mark.usefixtures("damaged_state")
async def test_damaged_state_is_due(admin: AsyncClient) -> None:
    state = await get(admin, "/system/encryption")
    assert (state["is_due"], state["confirmed_at"]) == (True, None)
    made(await admin.post("/system/encryption/passphrase", json={"passphrase": PASSPHRASE}))
    assert not (await get(admin, "/system/encryption"))["is_due"]


async def test_state_that_cannot_be_written_is_due(tmp_path: Path, config: Config, database: Database) -> None:
    (tmp_path / "file").touch()
    nowhere = msgspec.structs.replace(config, backup_dir=tmp_path / "nowhere")
    (tmp_path / "nowhere").symlink_to(tmp_path / "file" / "gone")
    state = await PassphraseConfirmation(nowhere, database).get_state()
    assert (state.is_due, state.confirmed_at) == (True, None)


@pytest.fixture
def confirmed_another(config: Config) -> None:
    note_confirmation(config, clock.now(), OTHER_PASSPHRASE)


@pytest.mark.usefixtures("confirmed_another")
async def test_changed_passphrase_is_due_at_once(app: Litestar, admin: AsyncClient) -> None:
    await app.state.passphrase_confirmation.look()
    assert (await get(admin, "/system/encryption"))["is_due"]
    assert len(await alerts(admin)) == 1
    assert not made(await admin.post("/system/encryption/passphrase", json={"passphrase": PASSPHRASE}))["is_due"]
    assert await alerts(admin) == []


@pytest.mark.parametrize("confirmed", [-31], indirect=True)
@pytest.mark.usefixtures("confirmed")
async def test_alert_is_raised_again_in_restored_data(app: Litestar, admin: AsyncClient, config: Config) -> None:
    await app.state.passphrase_confirmation.look()
    (alert,) = await alerts(admin)
    made(await admin.patch(f"/alerts/{alert['id']}/resolve"))
    backup = await done(admin, await admin.post("/system/backup", json={"kind": "sql"}))
    await app.state.passphrase_confirmation.look()
    assert await alerts(admin) == []
    await done(admin, await admin.post(f"/system/backup/{backup['timestamp']}/restore?force=true"))
    await app.state.passphrase_confirmation.look()
    assert len(await alerts(admin)) == 1


async def test_attempts_are_limited_and_in_the_audit(admin: AsyncClient) -> None:
    path = "/system/encryption/passphrase"
    made(await admin.post(path, json={"passphrase": PASSPHRASE}))
    guesses = [await admin.post(path, json={"passphrase": f"guess number {n}"}) for n in range(11)]
    assert [answer.status_code for answer in guesses] == [400] * 10 + [429]
    assert "Too many wrong passphrases" in guesses[-1].json()["detail"]
    assert int(guesses[-1].headers["Retry-After"]) > 0
    refused(await admin.post(path, json={"passphrase": PASSPHRASE}), 429)
    entries = await get(admin, "/audit/", subject="backup_passphrase")
    assert [entry["action"] for entry in entries] == ["failed to confirm"] * 10 + ["confirmed"]
    assert not any("guess" in str(entry) or PASSPHRASE in str(entry) for entry in entries)


async def test_only_admins_may_try(member: AsyncClient) -> None:
    answer = await member.post("/system/encryption/passphrase", json={"passphrase": PASSPHRASE})
    assert refused(answer, 403)["detail"].startswith("Access denied")


class TestForRecipients:
    @pytest.fixture
    def environ(self, environ: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in environ.items() if name != "STOCKY_BACKUP_PASSPHRASE"} | FOR_RECIPIENTS

    @pytest.mark.parametrize("confirmed", [-60], indirect=True)
    @pytest.mark.usefixtures("confirmed")
    async def test_nothing_is_asked(self, app: Litestar, admin: AsyncClient) -> None:
        await app.state.passphrase_confirmation.look()
        state = await get(admin, "/system/encryption")
        assert state == {"method": "recipients", "confirmed_at": None, "due_at": None, "is_due": False}
        refused(await admin.post("/system/encryption/passphrase", json={"passphrase": PASSPHRASE}), 409)
        assert await alerts(admin) == []
