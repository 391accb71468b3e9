"""Files that are not UTF-8: UTF-16 is recognised, and other encodings are offered by what their text shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from httpx import AsyncClient

from stocky.errors import Invalid
from stocky.imports.encodings import check_encoding
from stocky.imports.questions import QuestionAsked
from tests.imports.importing import imported
from tests.imports.test_questions import answer_to, asked
from tests.inventory import get

pytestmark = pytest.mark.one_database

TEXTS = {
    "cp1250": ["Příliš žluťoučký kůň", "Żółw, gęś i źdźbło", "Árvíztűrő tükörfúrógép", "Šipka – čaj “Žamboška”"],
    "cp1252": [
        "Müller & Söhne, Größe 5 €",
        "Crème brûlée à la façon d’Aÿ",
        "Piñata y jalapeño",
        "Rødgrød",
        "Pão de açúcar",
    ],
    "shift-jis": ["緑茶と抹茶", "ｶﾚｰ粉", "コーヒー豆（中挽き）、砂糖", "日本 10 kg 米 A4"],
}
CODECS = {"cp1250": "cp1250", "cp1252": "cp1252", "shift-jis": "cp932"}


@pytest.mark.parametrize(("encoding", "text"), [(each, text) for each, texts in TEXTS.items() for text in texts])
def test_best_encoding_is_offered_first(encoding: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(f"name;tags\nTea;\n{text};\n".encode(CODECS[encoding]))
    with pytest.raises(QuestionAsked) as raised:
        check_encoding(file)
    first = raised.value.questions[0].answers[0]
    assert first.options == {"encoding": encoding}
    assert first.sample.split(", ")[0] in text


async def test_encoding_is_a_question_with_samples(member: AsyncClient) -> None:
    content = "name\nŻółta rzodkiewka\n".encode("cp1250")
    problem = await asked(member, content)
    (question,) = problem["results"]["questions"]
    assert question["option"] == "encoding"
    assert question["answers"][0] == {"options": {"encoding": "cp1250"}, "sample": "Żółta"}
    assert question["answers"][1] == {"options": {"encoding": "cp1252"}, "sample": "¯ó³ta"}
    assert "encoding=cp1250 (Żółta)" in problem["detail"]
    await imported(member, content, **answer_to(problem, 0))
    assert [item["name"] for item in await get(member, "/items/")] == ["Żółta rzodkiewka"]


async def test_encodings_that_show_the_same_are_one_answer(member: AsyncClient) -> None:
    problem = await asked(member, "name\nÄpfel\n".encode("cp1252"))
    assert [each["options"] for each in problem["results"]["questions"][0]["answers"]] == [{"encoding": "cp1252"}]


async def test_wrong_byte_far_down_is_found_before_the_job(member: AsyncClient) -> None:
    rows = "".join(f"Item {number}\n" for number in range(20_000)).encode()
    problem = await asked(member, b"name\n" + rows + b"Caf\xe9\n")
    assert "not UTF-8" in problem["detail"]
    assert problem["results"]["questions"][0]["answers"][0]["sample"] == "Café"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("options", [{}, {"encoding": "utf-16"}])
async def test_utf_16_without_byte_order_mark_is_recognised(
    codec: str, options: dict[str, str], member: AsyncClient
) -> None:
    await imported(member, "name\nCafé 茶 一\nSalt\n".encode(codec), **options)
    assert [item["name"] for item in await get(member, "/items/")] == ["Café 茶 一", "Salt"]


async def test_japanese_file_is_imported(member: AsyncClient) -> None:
    await imported(member, "name\n緑茶 表\n".encode("cp932"), encoding="Shift-JIS")
    assert [item["name"] for item in await get(member, "/items/")] == ["緑茶 表"]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    for content in (b"\xff\xd8\xff\xe0\0\x10JFIF", b"\0\1\2", b"name\nT\0a\n", b"\x81\xff\x90\x05\x98name\n"):
        file.write_bytes(content)
        with pytest.raises(Invalid) as raised:
            check_encoding(file)
        assert not isinstance(raised.value, QuestionAsked)
