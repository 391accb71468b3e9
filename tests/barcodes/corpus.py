"""Texts as scanners send them, each with what Stocky reads in it: one table for all tests of how codes are read."""

from __future__ import annotations

from datetime import date
from typing import Any

from stocky.barcodes.codes import Bag, with_check_digit
from stocky.barcodes.gs1 import NO_FNC1

GS, RS, EOT = "\x1d", "\x1e", "\x04"
EAN, GTIN = "4006381333931", "04006381333931"
LABEL = f"01{GTIN}"
DIGIKEY = Bag("1N4148W-TP", "1N4148W-TPMSCT-ND", "DigiKey")
MOUSER = Bag("MAX3243EEPWR", None, "Mouser")
LCSC = Bag("ST-1-102-A01-T000-RS", "C312270", "LCSC")
TME = Bag("MBR0540", "MBR0540-DIO", "TME")

# By text: the code that is stored, the key, and every other field that is not empty. `warning=True` is NO_FNC1.
_READ: list[tuple[str, str, str, dict[str, Any]]] = [
    # ---- what scanners put around a code -----------------------------------------------------------------------------
    (EAN, EAN, GTIN, {}),
    (f"{EAN}\r", EAN, GTIN, {}),
    (f"{EAN}\r\n", EAN, GTIN, {}),
    (f"{EAN}\t", EAN, GTIN, {}),
    (f"  {EAN} ", EAN, GTIN, {}),
    (f"\x02{EAN}\x03", EAN, GTIN, {}),
    (f"\ufeff{EAN}", EAN, GTIN, {}),
    (f"{EAN}\u00a0", EAN, GTIN, {}),
    (f"\u200b{EAN}\u200e", EAN, GTIN, {}),
    (f"{EAN}\x1d", EAN, GTIN, {}),
    (f"]E0{EAN}", EAN, GTIN, {}),
    (f"\x02]E0{EAN}\x03\r\n", EAN, GTIN, {}),
    ("]C0SHELF-7\r", "SHELF-7", "SHELF-7", {}),
    ("]A0PART 7", "PART 7", "PART 7", {}),
    ("QXZB\r\n", "QXZB", "QXZB", {}),
    ("]Q1QXZB", "QXZB", "QXZB", {}),
    ("https://stocky.example/i/QXZB", "QXZB", "QXZB", {}),
    ("]Q1http://10.0.0.7:8000/base/i/qxzb/\n", "QXZB", "QXZB", {}),
    ("]C1]C1X", "]C1]C1X", "]C1]C1X", {}),
    ("]C1", "]C1", "]C1", {}),
    # ---- forms of one number -----------------------------------------------------------------------------------------
    ("614141123452", "614141123452", "00614141123452", {}),
    ("96385074", "96385074", "00000096385074", {}),
    ("]E496385074", "96385074", "00000096385074", {}),
    ("04252614", "04252614", "00042100005264", {}),
    ("0 425261 4", "0 425261 4", "00042100005264", {}),
    ("01234531", "01234531", "00012300000451", {}),
    ("01234543", "01234543", "00012340000053", {}),
    ("15678926", "15678926", "00156200007896", {}),
    # It is a valid EAN-8, and a UPC-E only with the identifier of one.
    ("01234565", "01234565", "00000001234565", {}),
    ("]E001234565", "012345000065", "00012345000065", {}),
    ("]E401234565", "01234565", "00000001234565", {}),
    ("0306406152", "0306406152", "09780306406157", {}),
    ("0-306-40615-2", "0-306-40615-2", "09780306406157", {}),
    ("080442957X", "080442957X", "09780804429573", {}),
    ("0-8044-2957-x", "0-8044-2957-x", "09780804429573", {}),
    ("0306406153", "0306406153", "0306406153", {}),
    ("978-0-306-40615-7", "978-0-306-40615-7", "09780306406157", {}),
    ("4 006381 333931", "4 006381 333931", GTIN, {}),
    ("4-006381-333932", "4-006381-333932", "4-006381-333932", {}),
    ("TEL 12-34 567", "TEL 12-34 567", "TEL 12-34 567", {}),
    ("978030640615751995", "9780306406157", "09780306406157", {}),
    ("9780306406157 51995", "9780306406157", "09780306406157", {}),
    ("977147396801205", "9771473968012", "09771473968012", {}),
    (f"{EAN}07", f"{EAN}07", f"{EAN}07", {}),
    (f"{EAN}-07", EAN, GTIN, {}),
    # Without a sign in front of it, an add-on is taken for one on magazines and books alone.
    ("61414112345212345", "61414112345212345", "61414112345212345", {}),
    ("614141123452 12", "614141123452 12", "00614141123452", {}),
    # Numbers of their own: an IMEI, an SSCC, and a GTIN-14 that was misread.
    ("490154203237518", "490154203237518", "490154203237518", {}),
    ("400638133393100004", "400638133393100004", "400638133393100004", {}),
    ("61414112345212", "61414112345212", "61414112345212", {}),
    # Kept as it is, though it was probably misread.
    ("4006381333932", "4006381333932", "4006381333932", {}),
    # ---- GS1 with FNC1 -----------------------------------------------------------------------------------------------
    (f"]C1{LABEL}17301231", EAN, GTIN, {"expiry": date(2030, 12, 31)}),
    (f"]d2{LABEL}10AB{GS}17301231", EAN, GTIN, {"expiry": date(2030, 12, 31), "lot": "AB", "note": "lot AB"}),
    (f"[)>{RS}05{GS}{LABEL}{GS}10AB{RS}{EOT}", EAN, GTIN, {"lot": "AB", "note": "lot AB"}),
    # ---- GS1 with another sign for FNC1 ------------------------------------------------------------------------------
    *(
        (f"{LABEL}10AB{sign}17301231{sign}21X9", EAN, GTIN,
         {"expiry": date(2030, 12, 31), "lot": "AB", "serial": "X9", "note": "lot AB, serial X9"})
        for sign in ("~", "^", "|", "#", "{GS}", "[GS]", "<GS>", "<FNC1>", "{fnc1}", "\\x1d", "\\u001d", "^]",
                     "\xe8", "\u241d")
    ),
    (f"~{LABEL}3712", EAN, GTIN, {"count": 12}),
    (f"{{GS}}{LABEL}310300125010L7", EAN, GTIN, {"milligrams": 1_250_000, "lot": "L7", "note": "lot L7"}),
    # ---- GS1 without FNC1 --------------------------------------------------------------------------------------------
    (LABEL, EAN, GTIN, {}),
    (f"{LABEL}1730123110AB", EAN, GTIN, {"expiry": date(2030, 12, 31), "lot": "AB", "note": "lot AB"}),
    (f"{LABEL}10AB17301231", EAN, GTIN, {"note": "lot AB17301231", "warning": True}),
    (f"{LABEL}1730123110{'L' * 20}21777", EAN, GTIN,
     {"expiry": date(2030, 12, 31), "note": f"unread 10{'L' * 20}21777", "warning": True}),
    (f"{LABEL}17301331", EAN, GTIN, {"note": "unread 17301331", "warning": True}),
    (f"{LABEL}17300230", EAN, GTIN, {"note": "unread 17300230", "warning": True}),
    (f"{LABEL}0912", EAN, GTIN, {"note": "unread 0912", "warning": True}),
    (f"{LABEL}3024", EAN, GTIN, {"count": 24}),
    # Perhaps 2,410,123 pieces, perhaps 24 of lot 123.
    (f"{LABEL}302410123", EAN, GTIN, {"note": "unread 302410123", "warning": True}),
    (f"{LABEL}305" "9277", EAN, GTIN, {"note": "unread 3059277", "warning": True}),
    (f"{LABEL}375" "24012", EAN, GTIN, {"note": "unread 37524012", "warning": True}),
    (f"{LABEL}375" "2001", EAN, GTIN, {"note": "unread 3752001", "warning": True}),
    (f"{LABEL}301" "217", EAN, GTIN, {"note": "unread 301217", "warning": True}),
    (f"{LABEL}1730123130196", EAN, GTIN, {"expiry": date(2030, 12, 31), "count": 196}),
    (f"{LABEL}371200", EAN, GTIN, {"count": 1200}),
    (f"{LABEL}305000", EAN, GTIN, {"count": 5000}),
    (f"{LABEL}30110", EAN, GTIN, {"count": 110}),
    (f"{LABEL}SHOP~17301231", EAN, GTIN, {"expiry": date(2030, 12, 31), "note": "unread SHOP", "warning": True}),
    # A carton: the number of what it contains, how many, and the lot.
    (f"02{GTIN}3724", EAN, GTIN, {"count": 24}),
    (f"02{GTIN}3724101234", EAN, GTIN, {"note": "unread 3724101234", "warning": True}),
    (f"02{GTIN}372410AB12", EAN, GTIN, {"note": "unread 372410AB12", "warning": True}),
    (f"02{GTIN}10AB3724", EAN, GTIN, {"note": "lot AB3724", "warning": True}),
    (f"02{GTIN}10AB", EAN, GTIN, {"lot": "AB", "note": "lot AB"}),
    (f"02{GTIN}10AB173012313724", EAN, GTIN, {"note": "lot AB173012313724", "warning": True}),
    (f"02{GTIN}3724~10AB", EAN, GTIN, {"count": 24, "lot": "AB", "note": "lot AB"}),
    # With one sign for FNC1 the scanner sends every one.
    (f"^{LABEL}10AB17301231", EAN, GTIN, {"lot": "AB17301231", "note": "lot AB17301231"}),
    # A wrong check digit: not a label, or not with certainty.
    ("0104006381333932", "0104006381333932", "0104006381333932", {}),
    # ---- JSON that is no command -------------------------------------------------------------------------------------
    ('{"stockitem": 2}', '{"stockitem": 2}', '{"stockitem": 2}', {}),
    (']Q1{"stockitem": 2}\r', '{"stockitem": 2}', '{"stockitem": 2}', {}),
    ("{}", "{}", "{}", {}),
    ("{", "{", "{", {}),
    ('{"a": "\\"command\\""}', '{"a": "\\"command\\""}', '{"a": "\\"command\\""}', {}),
    # ---- distributors' bags ------------------------------------------------------------------------------------------
    (f"[)>{RS}06{GS}P1N4148W-TPMSCT-ND{GS}1P1N4148W-TP{GS}K{GS}1K71231234{GS}10K83123123{GS}11K1{GS}4LCN{GS}Q25"
     f"{GS}11ZPICK{GS}12Z1234567{GS}13Z123456{GS}20Z{'0' * 40}",
     "1N4148W-TP", "1N4148W-TP",
     {"bag": DIGIKEY, "others": ("1N4148W-TPMSCT-ND",), "count": 25, "note": "order 71231234"}),
    (f"[)>{RS}06{GS}PMY-7{GS}30P1N4148W-TPMSCT-ND{GS}1P1N4148W-TP{GS}KPO-9{GS}9D2143{GS}1TX{GS}Q1000{RS}{EOT}",
     "1N4148W-TP", "1N4148W-TP",
     {"bag": DIGIKEY, "others": ("1N4148W-TPMSCT-ND", "MY-7"), "count": 1000,
      "note": "purchase order PO-9, lot X, date code 2143"}),
    (f"]d1[)>{RS}06{GS}1P1N4148W-TP{GS}30P1N4148W-TPMSCT-ND{GS}Q7{RS}{EOT}\r", "1N4148W-TP", "1N4148W-TP",
     {"bag": DIGIKEY, "others": ("1N4148W-TPMSCT-ND",), "count": 7}),
    (f">[)>06{GS}KPO-7{GS}14K002{GS}1PMAX3243EEPWR{GS}Q500{GS}11K012345678{GS}4LMX{GS}1VTI",
     "MAX3243EEPWR", "MAX3243EEPWR",
     {"bag": MOUSER, "count": 500, "note": "purchase order PO-7, maker TI"}),
    ("[)>{RS}06{GS}1PLTC1043CSW#PBF{GS}Q5{RS}{EOT}", "LTC1043CSW#PBF", "LTC1043CSW#PBF",
     {"bag": Bag("LTC1043CSW#PBF", None, ""), "count": 5}),
    ("[)>06~1PBC547B~Q00100EA~1TL7", "BC547B", "BC547B",
     {"bag": Bag("BC547B", None, ""), "count": 100, "note": "lot L7"}),
    (f"[)>{RS}06{GS}PC-77{GS}Q3", "C-77", "C-77", {"bag": Bag(None, "C-77", ""), "others": ("C-77",), "count": 3}),
    ("{pbn:PICK2009291337,on:SO20093013138,pc:C312270,pm:ST-1-102-A01-T000-RS,qty:2,mc:,cc:1,pdi:34421807}",
     "ST-1-102-A01-T000-RS", "ST-1-102-A01-T000-RS",
     {"bag": LCSC, "others": ("C312270",), "count": 2, "note": "order SO20093013138"}),
    ("{pbn:PICK2,on:SO2,pc:C312270,pm:ST-1-102-A01-T000-RS,qty:50,mc:,cc:1,pdi:3,hp:0,wc:ZH}\r\n",
     "ST-1-102-A01-T000-RS", "ST-1-102-A01-T000-RS",
     {"bag": LCSC, "others": ("C312270",), "count": 50, "note": "order SO2"}),
    ("QTY:1000 PN:MBR0540-DIO MFR:DIOTEC MPN:MBR0540 PO:20012345/1 RoHS https://www.tme.eu/details/MBR0540-DIO",
     "MBR0540", "MBR0540",
     {"bag": TME, "others": ("MBR0540-DIO",), "count": 1000, "note": "order 20012345/1, maker DIOTEC"}),
    (f"[)>{RS}06{GS}1PBC547B{GS}Q1,000 PCS", "BC547B", "BC547B", {"bag": Bag("BC547B", None, ""), "count": 1000}),
    # ---- a shop's scales, without a rule -----------------------------------------------------------------------------
    ("2812345004562", "2812345004562", "02812345004562", {}),
    ("212345101995", "212345101995", "00212345101995", {}),
    ("]E0 2812345007891", "2812345007891", "02812345007891", {}),
    # Without separators the fields cannot be told apart.
    ("[)>061PBC547BQ100", "[)>061PBC547BQ100", "[)>061PBC547BQ100", {"warning": True}),
]  # fmt: skip

READ = {
    text: {"code": code, "key": key, **said, **({"warning": NO_FNC1} if "warning" in said else {})}
    for text, code, key, said in _READ
}

# Texts that book nothing, with words of the reason.
REFUSED: dict[str, str] = {
    '{"command":"undo"}': "command",
    ']Q1{"command":"undo"}': "command",
    '\x02 {"command": 7}\r\n': "command",
    '{"command":"undo"': "command",
    "010400638133393217301231": "check digit",
    f"]C1{LABEL}17301331": "cannot be read",
    f"{LABEL}300": "a count of 0",
    f"[)>{RS}06{GS}1PBC547B{GS}Q0": "a quantity of 0",
    f"[)>{RS}06{GS}1PBC547B{GS}Q2.5": "the quantity 2.5, which cannot be read",
    "{pbn:PICK2,pc:C312270,pm:ST-1-102,qty:-5,cc:1}": "the quantity -5, which cannot be read",
    '{"a":"' + "x" * 600 + '"}': "500 characters",
}


# ---- variable-measure barcodes, with these rules ---------------------------------------------------------------------

MEASURE_RULES: list[dict[str, Any]] = [
    {"prefix": "28", "item_digits": 5, "measure": "weight", "measure_digits": 5, "divisor": 1000},
    {"prefix": "29", "item_digits": 4, "measure": "weight", "measure_digits": 5, "divisor": 100, "check_position": 7},
    {"prefix": "22", "item_digits": 4, "measure": "price", "measure_digits": 5, "divisor": 100, "check_position": 7},
    {"prefix": "02", "item_digits": 5, "measure": "price", "measure_digits": 4, "divisor": 100, "check_position": 8},
    {"prefix": "25", "item_digits": 5, "measure": "count", "measure_digits": 5},
    {"prefix": "2", "item_digits": 6, "measure": "price", "measure_digits": 5},
    {"prefix": "2199", "item_digits": 4, "measure": "weight", "measure_digits": 4, "divisor": 100},
    {"prefix": "24", "item_digits": 5, "measure": "weight", "measure_digits": 4, "divisor": 10, "check_position": 12},
]


def _piece(piece: str, number: str, **said: Any) -> dict[str, Any]:
    """What is read in the piece with these first 12 digits, whose item number has those."""
    key = f"0{with_check_digit(number)}"
    code = key[2:] if key.startswith("00") else key[1:]
    return {"code": code, "key": key, "piece_key": f"0{with_check_digit(piece)}", **said}


def _ean(digits: str) -> str:
    return with_check_digit(digits)


CHEESE = "281234500000"
MEASURED: dict[str, dict[str, Any]] = {
    _ean("281234500456"): _piece("281234500456", CHEESE, milligrams=456_000),
    _ean("281234500789"): _piece("281234500789", CHEESE, milligrams=789_000),
    f"{_ean('281234512345')}\r\n": _piece("281234512345", CHEESE, milligrams=12_345_000),
    f"]E0{_ean('281234500001')}": _piece("281234500001", CHEESE, milligrams=1_000),
    f"0{_ean('281234500002')}": _piece("281234500002", CHEESE, milligrams=2_000),
    "2 812345 004562": _piece("281234500456", CHEESE, milligrams=456_000),
    "28-12345-00789-1": _piece("281234500789", CHEESE, milligrams=789_000),
    # The item number: no measure.
    _ean(CHEESE): {"code": _ean(CHEESE), "key": f"0{_ean(CHEESE)}"},
    _ean("281234600456"): _piece("281234600456", "281234600000", milligrams=456_000),
    _ean("291234712345"): _piece("291234712345", "291234000000", milligrams=123_450_000),
    _ean("241234501234"): _piece("241234501234", "241234500000", milligrams=12_300_000),
    # The price check digit is no part of the item number, and not of the price.
    _ean("221234901999"): _piece("221234901999", "221234000000", price="19.99", note="price 19.99"),
    _ean("221234300005"): _piece("221234300005", "221234000000", price="0.05", note="price 0.05"),
    # A price of 0: the item number, perhaps with a check digit for the price.
    _ean("221234500000"): _piece("221234500000", "221234000000"),
    # A UPC-A that begins with 2 is an EAN-13 that begins with 02.
    "212345101995": _piece("021234510199", "021234500000", price="1.99", note="price 1.99"),
    "0212345101995": _piece("021234510199", "021234500000", price="1.99", note="price 1.99"),
    "212345904992": _piece("021234590499", "021234500000", price="4.99", note="price 4.99"),
    _ean("251234500012"): _piece("251234500012", "251234500000", count=12),
    # The rule with the longest prefix.
    _ean("201234500123"): _piece("201234500123", "201234500000", price="123", note="price 123"),
    _ean("219812300123"): _piece("219812300123", "219812300000", price="123", note="price 123"),
    _ean("219912340123"): _piece("219912340123", "219912340000", milligrams=1_230_000),
    # Not of a shop's scales: another prefix, an EAN-8, a carton, a wrong check digit, a GS1 label, a bag.
    EAN: {"code": EAN, "key": GTIN},
    "20123451": {"code": "20123451", "key": "00000020123451"},
    "12812345004566": {"code": "12812345004566", "key": "12812345004566"},
    "2812345004560": {"code": "2812345004560", "key": "2812345004560"},
    "]C10102812345004562": {"code": "2812345004562", "key": "02812345004562"},
    "(01)02812345004562(10)L7": {"code": "2812345004562", "key": "02812345004562", "lot": "L7", "note": "lot L7"},
    "02ABCDEFGHIJKL": {"code": "02ABCDEFGHIJKL", "key": "02ABCDEFGHIJKL"},
}
