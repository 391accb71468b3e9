"""The passphrase of the backups is asked for again each month, by the API, an alert, and the pages' state."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from httpx import AsyncClient
from litestar import Litestar

from stocky import clock
from stocky.backup.encryption.confirmation import STATE_FILE
from stocky.config import Config
from tests.encryption.keys import FOR_RECIPIENTS, OTHER_PASSPHRASE, PASSPHRASE
from tests.inventory import Json, get, made, refused

pytestmark = pytest.mark.one_postgres


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | {"STOCKY_BACKUP_PASSPHRASE": PASSPHRASE}


@pytest.fixture
def confirmed(request: pytest.FixtureRequest, config: Config) -> None:
    """Confirmed this many days from now, before the application starts: that begins with a look."""
    config.backup_dir.mkdir(parents=True, exist_ok=True)
    at = clock.now() + timedelta(days=request.param)
    (config.backup_dir / STATE_FILE).write_text(json.dumps({"confirmed_at": at.isoformat()}))


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


@pytest.fixture
def damaged_state(config: Config) -> None:
    config.backup_dir.mkdir(parents=True, exist_ok=True)
    (config.backup_dir / STATE_FILE).write_text("{")


@pytest.mark.usefixtures("damaged_state")
async def test_damaged_state_is_begun_again(admin: AsyncClient) -> None:
    assert not (await get(admin, "/system/encryption"))["is_due"]


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
