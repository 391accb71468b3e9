"""Suggestions: what the model is asked, what is stored of its answer, and what accepting and rejecting change."""

from __future__ import annotations

import asyncio
import base64
import io
import json

import pytest
from httpx import AsyncClient
from litestar import Litestar
from PIL import Image

from tests.assistance.model import (
    KEY,
    MODEL,
    Model,
    asked,
    completion,
    ended,
    is_translated,
    serving,
    suggestions,
    suggests,
    values,
)
from tests.documents.files import picture
from tests.inventory import Json, get, made, new_item, new_location, new_stock, refused


async def _accept(client: AsyncClient, suggestion: Json, version: int | None = None) -> Json:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return made(await client.post(f"/suggestions/{suggestion['id']}/accept", headers=headers))


async def test_model_is_asked_about_the_item_only(member: AsyncClient, model: Model) -> None:
    made(await member.post("/types", json={"name": "Semiconductors"}))
    await new_item(member, "Other", tags=["resistor"])
    item = await new_item(
        member,
        "Transistor",
        description="NPN, from the blue box",
        upc="4006381333931",
        tags=["TO-92"],
        seller="Secret seller",
    )
    await new_stock(member, item, await new_location(member, "Secret shelf"), 5, unit_price=2)
    model.usual = suggests(tags=["npn"], type="semiconductors", part_number=" BC547B ")
    job = await asked(member, item)
    assert (job["kind"], job["status"], job["created_by"]) == ("assistance.suggest", "done", "member")
    assert job["result"] == {"item_id": item["id"], "suggestions": 3}
    [request] = model.asked
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["user-agent"].startswith("Stocky/")
    assert request.body["model"] == MODEL
    assert request.body["response_format"]["json_schema"]["strict"] is True
    assert request.body["max_completion_tokens"] > 0
    question = request.question
    assert (question["name"], question["description"]) == ("Transistor", "NPN, from the blue box")
    assert question["barcodes"] == ["4006381333931"]
    assert question["existing_types"] == ["Semiconductors"]
    assert set(question["existing_tags"]) == {"resistor", "TO-92"}
    assert "secret" not in json.dumps(request.body).lower()
    found = await suggestions(member, item)
    assert [(each["kind"], each["value"], each["status"], each["replaces"]) for each in found] == [
        ("tag", "npn", "open", ""),
        ("type", "Semiconductors", "open", ""),
        ("manufacturer_code", "BC547B", "open", ""),
    ]
    assert {each["model"] for each in found} == {MODEL}
    # Nothing changes before a person accepts.
    assert (await get(member, f"/items/{item['id']}"))["version"] == item["version"]


async def test_accepting_changes_exactly_what_was_suggested(
    member: AsyncClient, admin: AsyncClient, model: Model
) -> None:
    made(await member.post("/types", json={"name": "Semiconductors"}))
    item = await new_item(member, "Transistor", tags=["TO-92"], manufacturer_code="BC5")
    model.usual = suggests(tags=["npn", "to-92"], type="Semiconductors", part_number="BC547B")
    await asked(member, item)
    found = await suggestions(member, item)
    # The tag that the item has is none.
    assert [each["kind"] for each in found] == ["tag", "type", "manufacturer_code"]
    assert [each["replaces"] for each in found] == ["", "", "BC5"]
    for each in found:
        version = (await get(member, f"/items/{item['id']}"))["version"]
        accepted = await _accept(member, each, version)
        assert (accepted["status"], accepted["item_version"]) == ("accepted", version + 1)
        assert accepted["decided_at"]
    changed = await get(member, f"/items/{item['id']}")
    assert (changed["tags"], changed["type_name"]) == (["npn", "TO-92"], "Semiconductors")
    assert changed["manufacturer_code"] == "BC547B"
    same = ("name", "description", "seller", "total_quantity", "min_quantity", "barcodes")
    assert {name: changed[name] for name in same} == {name: item[name] for name in same}
    refused(await member.post(f"/suggestions/{found[0]['id']}/accept"), 409, "accepted before")
    refused(await member.post(f"/suggestions/{found[0]['id']}/reject"), 409, "accepted before")
    audited = await get(admin, "/audit", subject="suggestion")
    assert {each["action"] for each in audited} == {"accepted"}
    assert len(audited) == 3
    # The same is not suggested again.
    assert (await asked(member, item))["result"]["suggestions"] == 0


async def test_rejected_suggestion_is_not_made_again(member: AsyncClient, model: Model) -> None:
    item, other = await new_item(member, "Transistor"), await new_item(member, "Other")
    model.usual = suggests(tags=["npn"])
    await asked(member, item)
    [suggestion] = await suggestions(member, item)
    rejected = made(await member.post(f"/suggestions/{suggestion['id']}/reject"))
    assert rejected["status"] == "rejected"
    refused(await member.post(f"/suggestions/{suggestion['id']}/accept"), 409, "rejected before")
    model.usual = suggests(tags=["NPN"])
    assert (await asked(member, item))["result"]["suggestions"] == 0
    assert (await asked(member, other))["result"]["suggestions"] == 1
    assert (await get(member, f"/items/{item['id']}"))["tags"] == []
    assert await get(member, "/suggestions", status="open") == await suggestions(member, other)
    assert [each["id"] for each in await get(member, "/suggestions", status="Rejected")] == [suggestion["id"]]
    refused(await member.post("/suggestions/999/accept"), 404, "999")


async def test_suggestion_about_a_changed_item(member: AsyncClient, model: Model) -> None:
    made(await member.post("/types", json={"name": "Semiconductors"}))
    item = await new_item(member, "Transistor")
    model.usual = suggests(tags=["npn", "TO-92"], type="Semiconductors")
    await asked(member, item)
    tag, other_tag, kind = await suggestions(member, item)
    made(await member.patch(f"/items/{item['id']}", json={"tags": ["NPN"]}))
    for each in (tag, other_tag):
        answer = await member.post(f"/suggestions/{each['id']}/accept", headers={"If-Match": '"1"'})
        assert is_translated(refused(answer, 412, "version 2")["detail"])
    # The item has it meanwhile.
    assert (await _accept(member, tag))["status"] == "accepted"
    assert (await get(member, f"/items/{item['id']}"))["version"] == 2
    assert (await member.delete("/types/1")).status_code < 300
    refused(await member.post(f"/suggestions/{kind['id']}/accept"), 409, "no type Semiconductors")
    assert [each["status"] for each in await suggestions(member, item)] == ["accepted", "open", "open"]
    made(await member.delete(f"/items/{item['id']}"))
    assert await get(member, "/suggestions", status="open") == []
    problem = refused(await member.post(f"/items/{item['id']}/suggestions"), 409, "no longer in use")
    assert is_translated(problem["detail"])


async def test_one_job_asks_about_an_item_at_a_time(member: AsyncClient, model: Model) -> None:
    item = await new_item(member)
    first = (await member.post(f"/items/{item['id']}/suggestions")).json()
    again = (await member.post(f"/items/{item['id']}/suggestions")).json()
    # The first may have ended before the second was asked for.
    assert again["id"] >= first["id"]
    refused(await member.post("/items/999/suggestions"), 404, "999")
    refused(await member.get("/items/999/suggestions/job"), 404, "not asked")


async def test_several_who_ask_at_once_pay_once(admin: AsyncClient, member: AsyncClient, model: Model) -> None:
    go_on = asyncio.Event()

    async def slowly(writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        await suggests(tags=["npn"])(writer)

    model.usual = slowly
    item, other = await new_item(member), await new_item(member, "Other")
    asking = [each.post(f"/items/{item['id']}/suggestions") for each in (admin, member) * 3]
    answers = await asyncio.gather(*asking, member.post(f"/items/{other['id']}/suggestions"))
    assert [each.status_code for each in answers] == [202] * 7
    ids = [each.json()["id"] for each in answers]
    go_on.set()
    assert len(set(ids[:-1])) == 1
    assert ids[-1] != ids[0]
    assert [(await ended(member, each))["status"] for each in (item, other)] == ["done", "done"]
    assert len(model.asked) == 2
    assert await values(member, item) == [("tag", "npn")]


@pytest.mark.parametrize(
    "text",
    [
        'Here it is:\n```json\n{"tags": ["npn"], "type": null}\n```\nAnything else?',
        '{"tags": ["npn"], "confidence": 0.9, "quantity": 5}',
    ],
)
async def test_answer_may_have_words_around_it(member: AsyncClient, model: Model, text: str) -> None:
    item = await new_item(member)
    model.usual = completion(text, tokens=None)
    await asked(member, item)
    assert await values(member, item) == [("tag", "npn")]


async def test_names_that_no_database_takes_are_left_out(member: AsyncClient, model: Model) -> None:
    await new_item(member, "Other", tags=["NPN"])
    item = await new_item(member)
    model.usual = suggests(tags=["a\x00b", " npn\n"], type="Parts\x00", part_number="BC\x00547")
    job = await asked(member, item)
    assert (job["status"], job["error"]) == ("done", None)
    assert await values(member, item) == [("tag", "NPN")]


async def test_tag_beyond_the_most_of_an_item_is_refused(member: AsyncClient, model: Model) -> None:
    item = await new_item(member, tags=[f"tag {number}" for number in range(50)])
    model.usual = suggests(tags=["npn"])
    await asked(member, item)
    [suggestion] = await suggestions(member, item)
    problem = refused(await member.post(f"/suggestions/{suggestion['id']}/accept"), 409, "has 50 tags")
    assert is_translated(problem["detail"])
    made(await member.patch(f"/items/{item['id']}", json={"tags": item["tags"][1:]}))
    assert (await _accept(member, suggestion))["status"] == "accepted"
    assert len((await get(member, f"/items/{item['id']}"))["tags"]) == 50


async def test_variables_of_a_proxy_do_not_count(
    member: AsyncClient, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        assert (await asked(member, await new_item(member)))["status"] == "done"
    assert (len(model.asked), proxy.asked) == (1, [])


async def _with_picture(member: AsyncClient) -> Json:
    item = await new_item(member, "Chip")
    files = {"file": ("chip.png", picture(size=(3_000, 1_500)))}
    made(await member.post("/documents", files=files, data={"item_id": str(item["id"])}))
    return item


async def test_photo_is_not_sent_unless_it_is_allowed(member: AsyncClient, model: Model) -> None:
    await asked(member, await _with_picture(member))
    assert isinstance(model.asked[0].body["messages"][1]["content"], str)


class TestPhotos:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"STOCKY_AI_PHOTOS": "true"}

    async def test_photo_is_sent_small(self, member: AsyncClient, model: Model) -> None:
        model.usual = suggests(part_number="LM317T")
        item = await _with_picture(member)
        await asked(member, item)
        part = model.asked[0].body["messages"][1]["content"][1]
        head, _, content = part["image_url"]["url"].partition(",")
        assert head == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert (image.format, image.size) == ("JPEG", (1_024, 512))
        assert await values(member, item) == [("manufacturer_code", "LM317T")]
        await asked(member, await new_item(member, "Without a photo"))
        assert isinstance(model.asked[1].body["messages"][1]["content"], str)


async def test_state_shows_what_was_asked(member: AsyncClient, root: AsyncClient, model: Model) -> None:
    state = await get(member, "/assistance")
    assert (state["is_on"], state["reason"], state["model"], state["photos"]) == (True, None, MODEL, False)
    assert (state["requests"], state["tokens"]) == (0, 0)
    await asked(member, await new_item(member))
    state = await get(member, "/assistance")
    assert (state["requests"], state["tokens"]) == (1, 321)
    metrics = (await root.get("/metrics")).text
    assert "stocky_assistance_requests_today 1.0" in metrics
    assert "stocky_assistance_tokens_today 321.0" in metrics


async def test_key_is_shown_nowhere(app: Litestar, admin: AsyncClient, model: Model) -> None:
    await asked(admin, await new_item(admin))
    shown = [await admin.get(path) for path in ("/assistance", "/jobs", "/logs", "/settings")]
    assert KEY not in "".join(each.text for each in shown)
    assert KEY not in repr(app.state.config)
    assert KEY not in repr(app.state.config.assistance)
