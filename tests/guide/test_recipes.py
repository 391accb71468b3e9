"""The recipes: their addresses answer, and their templates and functions read what Stocky sends."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from httpx import AsyncClient
from jinja2 import Environment, StrictUndefined
from litestar import Litestar
from litestar.routes import HTTPRoute

from tests.inventory import Json, get, made, new_item, new_location
from tests.serving import ROOT
from tests.webhooks.receiving import Receiver, hooked, post_events

GUIDE = (ROOT / "docs" / "recipes.md").read_text("utf-8")
NODE = shutil.which("node")


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    return environ | {"STOCKY_WEBHOOKS_TO_PRIVATE": "true"}


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def _rendered(template: str, **values: Any) -> str:
    # Home Assistant renders its templates by Jinja2, with a filter `count` as Jinja2's own.
    return Environment(undefined=StrictUndefined, autoescape=True).from_string(template).render(**values)


class _Loader(yaml.SafeLoader):
    """Reads `!secret name` as its name."""


_Loader.add_constructor("!secret", lambda loader, node: loader.construct_scalar(node))


async def test_sensors_of_home_assistant_have_values(admin: AsyncClient, member: AsyncClient) -> None:
    item, shelf = await new_item(member, name="Coffee", min_quantity=5), await new_location(member)
    made(await member.post("/skus/", json={"item_id": item["id"], "location_id": shelf["id"], "quantity": 3}))
    made(await member.post("/alerts/", json={"alert_type": "custom", "message": "The door is open"}))
    values = {}
    for source in yaml.load(_blocks("yaml")[0], _Loader)["rest"]:
        assert source["headers"] == {"X-API-Key": "stocky_key"}
        address = urlsplit(source["resource"])
        path = address.path.removeprefix("/api/v1").replace("KZMA", item["code"])
        answer = made(await member.get(f"{path}?{address.query}"))
        for sensor in source["sensor"]:
            values[sensor["unique_id"]] = _rendered(sensor["value_template"], value_json=answer)
    assert values["stocky_coffee"] == "3.0"
    assert values["stocky_low"] == "1"
    assert int(values["stocky_alerts"]) == len(await get(member, "/alerts/"))


async def test_automation_of_home_assistant_shows_an_alert(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver
) -> None:
    [automation] = yaml.safe_load(_blocks("yaml")[1])["automation"]
    await hooked(admin, receiver, "alert.raised", "alert.resolved")
    alert = made(await member.post("/alerts/", json={"alert_type": "custom", "message": "The door is open"}))
    [raised] = await receiver.until(1)
    [condition] = automation["conditions"]
    trigger: Json = {"json": raised.message}
    assert _rendered(condition, trigger=trigger) == "True"
    assert _rendered(automation["actions"][0]["data"]["message"], trigger=trigger) == alert["message"]
    made(await member.patch(f"/alerts/{alert['id']}/resolve"))
    [_, resolved] = await receiver.until(2)
    assert _rendered(condition, trigger={"json": resolved.message}) == "False"


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
async def test_function_of_node_red_passes_on_each_event(
    admin: AsyncClient, member: AsyncClient, receiver: Receiver
) -> None:
    flow = {each["id"]: each for each in json.loads(_blocks("json")[0])}
    for each in flow.values():
        assert {target for wire in each["wires"] for target in wire} <= flow.keys()
    await hooked(admin, receiver)
    item, shelf = await new_item(member), await new_location(member)
    ids = await post_events(member, item, shelf, 2)
    [received] = await receiver.until(1)
    function = next(each["func"] for each in flow.values() if each["type"] == "function")
    program = (
        f"const run = msg => {{ {function} }}; console.log(JSON.stringify(run({{payload: {received.body.decode()}}})))"
    )
    assert NODE is not None
    run = await asyncio.to_thread(subprocess.run, [NODE, "-e", program], capture_output=True, check=True, timeout=60)
    [messages] = json.loads(run.stdout)
    assert [each["payload"]["id"] for each in messages] == ids
    assert {(each["topic"], each["payload"]["location_name"]) for each in messages} == {(item["code"], shelf["name"])}


async def test_fields_of_n8n_are_those_of_an_event(admin: AsyncClient, member: AsyncClient, receiver: Receiver) -> None:
    await hooked(admin, receiver)
    item, shelf = await new_item(member), await new_location(member)
    await post_events(member, item, shelf)
    [received] = await receiver.until(1)
    [event] = received.data["events"]
    fields = set(re.findall(r"\$json\.(\w+)", GUIDE))
    assert len(fields) > 3
    assert fields <= event.keys()


async def test_rules_of_grafana_fire_on_figures_of_stocky(
    root: AsyncClient, member: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocky.monitoring.figures.CACHED_SECONDS", -1.0)
    [group] = yaml.safe_load(_blocks("yaml")[2])["groups"]
    assert {"orgId", "name", "folder", "interval"} <= group.keys()

    async def figures() -> dict[str, float]:
        rows = [row.rpartition(" ") for row in (await root.get("/metrics")).text.splitlines() if row[0] != "#"]
        return {name.partition("{")[0]: float(value) for name, _, value in rows}

    async def firing() -> list[str]:
        now = await figures()
        found = []
        for rule in group["rules"]:
            query, threshold = rule["data"]
            assert (threshold["refId"], threshold["datasourceUid"]) == (rule["condition"], "__expr__")
            assert threshold["model"]["expression"] == query["refId"] == query["model"]["refId"]
            [figure] = re.findall(r"^max\((\w+)\)$", query["model"]["expr"])
            [condition] = threshold["model"]["conditions"]
            assert condition["evaluator"]["type"] == "gt"
            if now[figure] > condition["evaluator"]["params"][0]:
                found.append(rule["title"])
        return found

    # A new Stocky has no backup.
    assert await firing() == ["No good backup for two days"]
    await new_item(member, min_quantity=5)
    assert await firing() == ["Items to buy", "No good backup for two days"]
    queried = set(re.findall(r"stocky_\w+", "".join(_blocks("promql"))))
    assert len(queried) == 6
    # The metric of off-site copies is there where a destination is set; tests/offsite has it.
    assert queried - (await figures()).keys() == {"stocky_offsite_copied_age_seconds"}


def test_pages_that_rules_of_grafana_link_to_exist(app: Litestar) -> None:
    linked = re.findall(r"https://stocky\.example\.org(/\w+)'", GUIDE)
    assert linked == ["/alerts", "/backups"]
    assert set(linked) <= {route.path_format for route in app.routes if isinstance(route, HTTPRoute)}
