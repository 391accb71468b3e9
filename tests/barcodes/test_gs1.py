"""Parsing GS1 codes of labels as printed, scanned and typed."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from biip.checksums import gs1_standard_check_digit
from hypothesis import given
from hypothesis import strategies as st

from stocky.barcodes.codes import ScannedCode, is_too_long, may_be_compound, normalize_barcode, printed
from stocky.barcodes.reader import read_code, read_codes

GS = "\x1d"
GTIN = "04006381333931"
EAN = "4006381333931"
LOT = f"01{GTIN}17301231" + "10AB-12/3"
LABELS: dict[str, dict[str, Any]] = {
    # GS1-128 on a carton of meat: an item of variable measure, its weight to the gram, best before and lot.
    "]C1019400638133393431030012501530010010L7": {
        "code": "94006381333934", "milligrams": 1_250_000, "expiry": date(2030, 1, 31), "lot": "L7", "note": "lot L7",
    },
    # DataMatrix on medicine: number, serial, expiry and lot, each variable one ended by FNC1.
    f"]d20104006381333931211234567{GS}1728020010B42": {
        "expiry": date(2028, 2, 29), "lot": "B42", "serial": "1234567", "note": "lot B42, serial 1234567",
    },
    f"{GS}01{GTIN}10LOT{GS}17301231": {"expiry": date(2030, 12, 31), "lot": "LOT", "note": "lot LOT"},
    f"]Q301{GTIN}3922001250{GS}37{'6'}": {"count": 6},
    f"01{GTIN}": {},
    f"01{GTIN}17301231": {"expiry": date(2030, 12, 31)},
    f" 01{GTIN}17301231\r\n": {"expiry": date(2030, 12, 31)},
    LOT: {"expiry": date(2030, 12, 31), "lot": "AB-12/3", "note": "lot AB-12/3"},
    f"10X<GS>01{GTIN}": {"lot": "X", "note": "lot X"},
    f"10X\u241d01{GTIN}": {"lot": "X", "note": "lot X"},
    # A pallet: its contents, and their count.
    f"]C10010614141234567890802{GTIN}3724": {"count": 24},
    f"(01){GTIN}": {},
    f"(01) {GTIN} (17) 301200 (10) A(1)B": {"expiry": date(2030, 12, 31), "lot": "A(1)B", "note": "lot A(1)B"},
    f"(01){GTIN}(30)5": {"count": 5},
    f"(01){GTIN}(3202)000100": {"milligrams": 453_592, "is_rounded": True, "note": "1 lb"},
    f"(01){GTIN}(3100)000002(3200)000004": {"milligrams": 2_000_000},
    f"(01){GTIN}(3105)000004": {"milligrams": 40},
    f"(01){GTIN}(3100)000012": {"milligrams": 12_000_000},
    f"(01){GTIN}(3101)000012": {"milligrams": 1_200_000},
    f"(01){GTIN}(3104)000012": {"milligrams": 1_200},
    f"(01){GTIN}(3100)000000(3103)000400": {"milligrams": 400_000},
    f"(01){GTIN}(30)0(37)4": {"count": 4},
    f"(01){GTIN}(30)99999999": {"count": 99_999_999},
    f"(01){GTIN}(17)280200": {"expiry": date(2028, 2, 29)},
    f"(01){GTIN}(17)270200": {"expiry": date(2027, 2, 28)},
    # A missing expiry is sometimes written as zeros; then best before is used.
    f"(01){GTIN}(17)000000": {},
    f"(01){GTIN}(17)000000(15)300101": {"expiry": date(2030, 1, 1)},
    f"(01){GTIN}(7003)3001021200(15)300101": {"expiry": date(2030, 1, 2)},
    # Unknown identifiers are ignored.
    f"]C101{GTIN}99SHOP{GS}17301231": {"expiry": date(2030, 12, 31)},
    f"]C101{GTIN}0912{GS}17301231": {"expiry": date(2030, 12, 31)},
    f"https://id.gs1.org/01/{GTIN}": {},
    f"HTTPS://ID.GS1.ORG/01/{GTIN}?17=301231": {"expiry": date(2030, 12, 31)},
    f"]Q1https://shop.example/de/p/01/{GTIN}/10/A%2F1/21/9?17=301231&utm=x&3103=000500": {
        "expiry": date(2030, 12, 31), "lot": "A/1", "serial": "9", "note": "lot A/1, serial 9", "milligrams": 500_000,
    },
    f"https://id.gs1.org/01/{GTIN}?0999=x&96=1&17=301231&lang=de": {"expiry": date(2030, 12, 31)},
    f"https://id.gs1.org/01/{GTIN}/": {},
    f"http://example.org/01/{EAN}": {},
    "https://id.gs1.org/01/614141123452/22/v2/10/X#top": {"code": "614141123452", "lot": "X", "note": "lot X"},
    "https://id.gs1.org/01/9506000134352?3103=000195": {"code": "9506000134352", "milligrams": 195_000},
}  # fmt: skip


@pytest.mark.parametrize("text", LABELS)
async def test_gs1_label_is_read(text: str) -> None:
    said = {"code": EAN} | LABELS[text]
    assert await read_code(text, ()) == ScannedCode(text, normalize_barcode(said["code"]), **said)


@pytest.mark.parametrize(
    "text",
    [
        EAN,
        "96385074",
        "QXZB",
        "(01) pack+6%",
        "(12) foo",
        "(",
        "]",
        "Part 0104006381333931",
        # Digits that begin like a GS1 code, with a check digit that does not match.
        "0104006381333932",
        "01040063813339321012",
        "https://example.org/",
        "https://example.org/01/15",
        "https://example.org/2024/01/20240115",
        "https://[broken/01/04006381333931",
        "http",
        "00106141412345678908",
        "１０" * 9,
        f"01{'４' * 14}",
        f"(01){'４' * 14}",
        f"https://example.org/01/{'４' * 14}",
        "x" * 128,
    ],
)
async def test_other_text_is_a_plain_barcode(text: str) -> None:
    assert await read_code(text, ()) == ScannedCode(text, normalize_barcode(text), text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"]E0{EAN}", EAN),
        ("]E496385074", "96385074"),
        ("]C0abc", "abc"),
        ("]Q1https://example.org/", "https://example.org/"),
    ],
)
async def test_aim_identifier_is_not_part_of_a_plain_barcode(text: str, code: str) -> None:
    assert await read_code(text, ()) == ScannedCode(text, normalize_barcode(code), code)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(01)04006381333932", ["check digit", "it is 2", "should be 1"]),
        ("]C10104006381333932", ["check digit"]),
        (f"{GS}0104006381333932", ["check digit"]),
        ("010400638133393217301231", ["check digit"]),
        ("https://id.gs1.org/01/04006381333932", ["check digit"]),
        (f"(01){GTIN}(17)301331", ["(17) 301331", "cannot be read"]),
        (f"(01){GTIN}(17)300230", ["(17) 300230", "not a date"]),
        (f"]C101{GTIN}17301331", ["cannot be read"]),
        (f"(01){GTIN}(3103)12", ["(3103) 12"]),
        (f"(01){GTIN}(3106)000012", ["(310"]),
        (f"(01){GTIN}(30)0", ["(30) 0", "a count of 0", "number alone"]),
        (f"]C102{GTIN}3700", ["(37) 00", "a count of 0"]),
        (f"(01){GTIN}(30)999999999", ["(30) 999999999", "cannot be read"]),
        (f"(01){GTIN}(3103)000000", ["(3103) 000000", "a weight of 0"]),
        (f"(01){GTIN}(3103)000000(30)5", ["a weight of 0"]),
        (f"(01){GTIN}(17)301300", ["(17) 301300", "cannot be read"]),
        (f"https://id.gs1.org/01/{GTIN}?30=0", ["a count of 0"]),
        (f"(01){GTIN}(10){'x' * 21}", ["(10)"]),
        (f"]d2{'x' * 600}", ["500 characters"]),
        (f"https://example.org/{'x' * 600}", ["500 characters"]),
    ],
)
async def test_invalid_gs1_code_has_a_problem(text: str, words: list[str]) -> None:
    reading = await read_code(text, ())
    assert reading.problem is not None
    assert [word for word in words if word not in reading.problem] == []


async def test_codes_are_read_in_order() -> None:
    texts = [EAN, *LABELS, "QXZB"]
    assert [reading.text for reading in await read_codes(texts, ())] == texts
    assert [reading.text for reading in await read_codes([EAN, ""], ())] == [EAN, ""]


def test_only_possible_gs1_codes_may_be_long() -> None:
    assert is_too_long("x" * 501)
    assert not is_too_long("x" * 500)
    assert not is_too_long("]d2" + "x" * 600)
    assert not any(may_be_compound(text) for text in (EAN, "96385074", "QXZB", "a b", ""))


payloads = st.text("0123456789", min_size=13, max_size=13)
lots = st.text(st.sampled_from("ABCxyz0123456789-/.+!\"%&'*,:;<=>?_"), min_size=1, max_size=20)
dates = st.dates(date(2000, 1, 1), date(2049, 12, 31))


@given(payloads, lots, dates, st.integers(1, 999_999), st.integers(1, 99_999_999))
async def test_gs1_code_round_trip(payload: str, lot: str, expiry: date, grams: int, count: int) -> None:
    gtin = f"{payload}{gs1_standard_check_digit(payload)}"
    said = {"01": gtin, "17": f"{expiry:%y%m%d}", "3103": f"{grams:06}", "10": lot, "37": str(count)}
    forms = [
        "]C1" + "".join(f"{ai}{value}{GS if ai in ('10', '37') else ''}" for ai, value in said.items()),
        "]d2" + GS.join(f"{ai}{value}" for ai, value in reversed(said.items())),
        "".join(f"({ai}){value}" for ai, value in said.items()),
    ]
    for form in forms:
        reading = await read_code(form, ())
        assert reading == ScannedCode(
            form,
            gtin,
            printed(gtin),
            expiry=expiry,
            lot=lot,
            note=f"lot {lot}",
            milligrams=grams * 1000,
            count=count,
        )


@given(st.text(st.sampled_from(f"]C1d2(01)73040063813{GS}/:https?=&% x４\ud7ff"), max_size=60))
async def test_any_text_can_be_read(text: str) -> None:
    for each in (text, f"]C101{GTIN}{text}", f"(01){GTIN}{text}", f"https://example.org/01/{GTIN}/{text}"):
        reading = await read_code(each, ())
        assert reading.text == each
        if reading.problem is None:
            assert reading.key == normalize_barcode(reading.code)
            assert len(reading.code) <= 500
