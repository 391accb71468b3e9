"""Items of a kitchen and a workshop, and queries with the item that has to come first."""

from __future__ import annotations

from typing import Any

from httpx import AsyncClient

from tests.inventory import Json, made, new_item

# By the name used in the queries below.
ITEMS: dict[str, dict[str, Any]] = {
    "coffee": {"name": "Coffee, ground", "upc": "4006381333931", "description": "The one in the blue bag"},
    "coffee filters": {"name": "Coffee filters No. 4", "tags": ["kitchen paper"]},
    "decaf": {"name": "Decaf coffee beans", "seller": "Rösterei Müller"},
    "green tea": {"name": "Green tea", "barcodes": [{"barcode": "5449000000996"}]},
    "steak": {"name": "Steak sauce", "description": "Goes with steaks"},
    "milk": {"name": "Whole milk 3.5 %", "tags": ["dairy"]},
    "rice": {"name": "Basmati rice"},
    "chocolate": {"name": "Dark chocolate 85%"},
    "creme brulee": {"name": "Crème brûlée", "description": "Dessert, frozen"},
    "muesli": {"name": "Müsli mit Nüssen"},
    "smorrebrod": {"name": "Smørrebrød rye bread"},
    "olive oil": {"name": "Olive oil extra virgin (1 l)"},
    "tomatoes": {"name": "Tomatoes, peeled", "description": "400 g tin", "barcodes": [{"barcode": "8000500310427"}]},
    "matcha": {"name": "抹茶パウダー", "description": "緑茶の粉"},
    "iced green tea": {"name": "冷緑茶パウダー"},
    "kimchi": {"name": "김치 배추"},
    "pelmeni": {"name": "Пельмени Сибирские", "description": "Подавать с 5 ст. л. сметаны"},
    "bc547": {"name": "Transistor NPN", "manufacturer_code": "BC547B", "tags": ["semiconductor", "through-hole"]},
    "bc557": {"name": "Transistor PNP", "manufacturer_code": "BC557B", "tags": ["semiconductor"]},
    "resistor": {"name": "Resistor 4.7 kΩ 1/4 W", "manufacturer_code": "CFR-25JB-52-4K7"},
    "resistors": {"name": "Resistors 10kΩ"},
    "electrolytic": {"name": "Capacitor, electrolytic, 10 µF 25 V"},
    "capacitor": {"name": "Capacitor 100nF", "manufacturer_code": "GRM188R71H104KA93D"},
    "screws": {"name": "Screws M3x10, countersunk", "seller": "Schrauben-Jäger"},
    "nuts": {"name": "Nuts M3"},
    "esp32": {"name": "ESP32-WROOM-32 module", "description": "Wi-Fi & Bluetooth"},
    "cable ties": {"name": "Cable ties 200mm", "tags": ["fastening"]},
    "c_sharp": {"name": "Book: C# in a_nutshell"},
    "tables": {"name": "'; DROP TABLE item; --", "description": "a label that somebody printed"},
    "near": {"name": 'NEAR("a" OR b*)', "description": "a query that somebody printed"},
    "arrows": {"name": "→→→"},
    "batteries": {"name": "Batteries AA, rechargeable"},
    "sandpaper": {"name": "Sandpaper", "description": "grit 120"},
}

# Queries and the first result; None if nothing may be found.
QUERIES: list[tuple[str, str | None]] = [
    ("coffee", "coffee"),
    ("COFFEE GROUND", "coffee"),
    ("cofee", "coffee"),
    ("coffe filtres", "coffee filters"),
    ("ground cofee", "coffee"),
    ("beans", "decaf"),
    ("4006381333931", "coffee"),
    ("5449000000996", "green tea"),
    ("80005003", "tomatoes"),
    ("tea", "green tea"),
    ("tae", "green tea"),
    ("mlik", "milk"),
    ("milk 3.5%", "milk"),
    ("dairy", "milk"),
    ("rcie", "rice"),
    ("choclate", "chocolate"),
    ("creme brulee", "creme brulee"),
    ("CRÈME", "creme brulee"),
    ("musli", "muesli"),
    ("MÜSLI nussen", "muesli"),
    ("smorrebrod", "smorrebrod"),
    ("oil olive", "olive oil"),
    ("tomatos", "tomatoes"),
    ("抹茶", "matcha"),
    ("緑茶", "matcha"),
    ("パウダー", "matcha"),
    ("ウダ", "matcha"),
    ("緑茶 パウダー", "iced green tea"),
    ("김치", "kimchi"),
    ("ПЕЛЬМЕНИ", "pelmeni"),
    ("10 бв", "electrolytic"),
    ("5 ст л", "pelmeni"),
    ("bc547b", "bc547"),
    ("BC557", "bc557"),
    ("semiconductor bc54", "bc547"),
    ("transitor npn", "bc547"),
    ("cfr25jb", "resistor"),
    ("esp-32", "esp32"),
    ("104KA93", "capacitor"),
    ("CFR-25JB", "resistor"),
    ("4.7 kω", "resistor"),
    ("4.7k", "resistor"),
    ("4.7kohm", "resistor"),
    ("10 kΩ", "resistors"),
    ("10k ohm", "resistors"),
    ("10kohm", "resistors"),
    ("10uF", "electrolytic"),
    ("25v 10 uf", "electrolytic"),
    ("100n", "capacitor"),
    ("400g", "tomatoes"),
    ("m3x10", "screws"),
    ("m3", "nuts"),
    ("muller", "decaf"),
    ("schrauben jager", "screws"),
    ("wroom", "esp32"),
    ("wi-fi & bluetooth", "esp32"),
    ("bateries", "batteries"),
    ("rechargable baterries", "batteries"),
    ("sand paper", "sandpaper"),
    ("a_nut", "c_sharp"),
    ("c#", "c_sharp"),
    ("'; DROP TABLE item; --", "tables"),
    ('" OR 1=1', "resistor"),
    ('NEAR("a" OR b*)', "near"),
    ("near", "near"),
    ("→", "arrows"),
    ("%", "milk"),
    ("_", "c_sharp"),
    ("\\", None),
    ("xylophone", None),
]


async def stock_up(member: AsyncClient) -> dict[str, Json]:
    """The items from the responses."""
    kind = made(await member.post("/types/", json={"name": "Electronics"}))
    items = {known_as: await new_item(member, **fields) for known_as, fields in ITEMS.items()}
    await member.patch(f"/items/{items['esp32']['id']}", json={"type_id": kind["id"]})
    return items
