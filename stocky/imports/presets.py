"""Reads the files of other programs and sellers as they are: which of their columns make up each field of a row.

A preset applies only when it is named. The headers are those that the programs write; `docs/import-and-export.md` says
where each is described.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from msgspec import Struct

from stocky.exports.csv_cells import list_cell
from stocky.imports.fields import plain

NONE = "none"
# Separates the names of locations, from the outermost to the innermost.
PATH = " / "
# A number, which blanks may divide into thousands, and what follows it: a unit may begin with a digit.
_AMOUNT = re.compile(r"([-+]?(?:\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\w)|\d+)(?:[.,']\d+)*)(.*)", re.DOTALL)
_NOT_ZERO = re.compile(r"[1-9]")
_ISO_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?!\d)")
_GROUPS = re.compile(r"(?<=\d)[.,'\s](?=\d{3}(?!\d))")

_LONGEST_ARRIVED = 40
# Designators of a row: `R1, R2` or `R1-R4`.
_DESIGNATORS = re.compile(r"[,;\s]+")
_RANGE = re.compile(r"([^\W\d]+)(\d{1,6})[-–](?:\1)?(\d{1,6})")
# What CAD programs write for no text.
_NOTHING = frozenset(("~", "-", "n/a"))
_NO = frozenset(("", "0", "no", "n", "false")) | _NOTHING
_NOT_POPULATED = re.compile(
    r"(?<![^\W_])(?:dn[pfi]|do not (?:populate|place|fit|install|mount)|not (?:fitted|populated|mounted))(?![^\W_])",
    re.IGNORECASE,
)
_POPULATED = ("Fitted", "Populate", "Populated", "Mounted")

# The cells of a row by header; a header that the file does not have is an empty cell.
Cells = Callable[[str], str]


class Take(Struct, frozen=True):
    """How a field is read: the first of `headers` with a text, or all of them with `join` between.

    `read` makes the text of the field; `default` is that of a field without one, in rows with a cell `default_with`.
    """

    field: str
    headers: tuple[str, ...] = ()
    join: str | None = None
    read: Callable[[str], str] | None = None
    default: str = ""
    default_with: str | None = None

    def text(self, cells: Cells) -> str:
        found = [text for header in self.headers if (text := cells(header))]
        if not found:
            return self.default if self.default_with is None or cells(self.default_with) else ""
        if self.join is not None:
            found = [self.join.join(found)]
        if self.read is None:
            return found[0]
        return next((text for each in found if (text := self.read(each))), "")


class Preset(Struct, frozen=True, kw_only=True):
    """A kind of file. It is recognised by all headers of one of its `signs`.

    `skips` gives the reason why a row is about no item, or nothing.
    """

    name: str
    title: str
    about: Literal["inventory", "order", "parts"]
    signs: tuple[tuple[str, ...], ...]
    takes: tuple[Take, ...]
    options: Mapping[str, str] = {}
    skips: Callable[[Cells], str] | None = None


def _commas(text: str) -> str:
    return list_cell(part.strip() for part in re.split(r"[,;]", text) if part.strip())


def _path(text: str) -> str:
    return PATH.join(part.strip() for part in re.split(r"->|→|/", text) if part.strip())


def _number(text: str) -> str:
    """The number of `3 Packs`."""
    match = _AMOUNT.match(text)
    return text if match is None else match[1].strip()


def _unit(text: str) -> str:
    """The unit of `3 Packs Opened`."""
    match = _AMOUNT.match(text)
    return "" if match is None else match[2].removesuffix("Opened").strip()


def _whole(text: str) -> str:
    """A number of pieces without signs between the thousands."""
    return _GROUPS.sub("", text)


def _due_date(text: str) -> str:
    """A date that words may follow; the end of 2999 is for what never expires."""
    match = _ISO_DATE.match(text)
    date = text if match is None else match[1]
    return "" if date == "2999-12-31" else date


def _not_zero(text: str) -> str:
    """A price or a minimum, unless it is 0: other programs write that where there is none."""
    return text if _NOT_ZERO.search(text) else ""


def _asset_id(text: str) -> str:
    return "" if text.strip("0-") == "" else text


def _list(text: str) -> str:
    return list_cell(dict.fromkeys(text.split("\n")))


def _arrived(text: str) -> str:
    """The quantity of a line of DigiKey without what is on backorder, which follows it."""
    ordered, _, later = (_whole(part) for part in text.partition("\n"))
    if not (ordered.isdecimal() and later.isdecimal()):
        return ordered
    # int() rejects text of thousands of digits; this text is refused as a quantity.
    return text if len(text) > _LONGEST_ARRIVED else str(int(ordered) - int(later))


def _is_on_backorder(cells: Cells) -> str:
    quantity = _whole(cells("Quantity"))
    return "on backorder" if quantity.isdecimal() and quantity == _whole(cells("Backorder")) else ""


def _is_archived(cells: Cells) -> str:
    return "archived in Homebox" if cells("HB.archived").lower() in ("true", "yes", "1") else ""


def _is_folder(cells: Cells) -> str:
    return "a folder, not an item" if cells("Entry Type").lower() == "folder" else ""


def _filled(text: str) -> str:
    return "" if text.lower() in _NOTHING else text


def _sellers_parts(text: str) -> str:
    return _list("\n".join(part for part in text.split("\n") if _filled(part)))


def _footprint(text: str) -> str:
    """The name of a footprint without that of its library."""
    return _filled(text.rpartition(":")[2])


def _pieces(text: str) -> str:
    """A quantity, or the number of the designators where no column has one."""
    if text[0].isdigit() or text[0] in "+-" or not any(letter.isdigit() for letter in text):
        return text
    count = 0
    for designator in _DESIGNATORS.split(text.strip(",; ")):
        match = _RANGE.fullmatch(designator)
        count += 1 if match is None else max(int(match[3]) - int(match[2]), 0) + 1
    return str(count)


def _is_not_populated(cells: Cells) -> str:
    """Why a row is not built, by a column of its own or by words in another."""
    if any(cells(header).lower() not in _NO for header in ("DNP", "DNF", "DNI", "Do Not Populate", "Do Not Fit")):
        return "not populated (DNP)"
    columns = ("Value", "Comment", "Designation", "Description", "Variation", *_POPULATED)
    if any(_NOT_POPULATED.search(cells(header)) for header in columns):
        return "not populated (DNP)"
    if any(cells(header).lower() in _NO - {""} for header in _POPULATED):
        return "not populated (DNP)"
    excluded = cells("Exclude from BOM")
    return "excluded from the bill of materials" if excluded.lower() not in _NO else ""


def _parts(references: tuple[str, ...], *takes: Take) -> tuple[Take, ...]:
    """The fields of a row of a bill of materials; parts of makers and sellers are in fields that people name."""
    return (
        Take("references", references, read=_filled),
        *takes,
        Take("description", ("Description", "Desc"), read=_filled),
        Take("code", ("Stocky", "Stocky code", "Item code"), read=_filled),
        Take("barcode", ("Barcode", "EAN", "GTIN", "UPC"), read=_filled),
        Take(
            "manufacturer_code",
            (
                "MPN", "Manufacturer Part Number", "Manufacturer Part Number 1", "Manufacturer Part", "Mfr Part Number",
                "Mfr. Part No", "Mfr PN", "MFPN", "Part Number", "PN",
            ),
            read=_filled,
        ),
        Take(
            "barcodes",
            (
                "SPN", "Supplier Part Number", "Supplier Part Number 1", "Supplier Part Number 2", "Supplier Part",
                "DigiKey Part Number", "DigiKey PN", "DigiKey Part #", "DigiKey", "Mouser Part Number", "Mouser PN",
                "Mouser", "LCSC Part Number", "LCSC Part #", "LCSC", "JLCPCB Part #",
            ),
            join="\n", read=_sellers_parts,
        ),
        Take("quantity", ("Quantity", "Qty", "Qnty", "Quantity Per PCB", *references), read=_pieces, default="1"),
    )  # fmt: skip


def _order(seller: str, seller_part: tuple[str, ...], maker_part: tuple[str, ...], *takes: Take) -> tuple[Take, ...]:
    """The fields of a line of an order; a part without a maker's number is known by the seller's."""
    return (
        Take("name", (*maker_part, *seller_part)),
        Take("manufacturer_code", (*maker_part, *seller_part)),
        Take("barcode", seller_part),
        Take("seller", default=seller),
        *takes,
    )


# An order is what arrived: it is added, and items that exist stay as they are.
_ORDER = {"key": "manufacturer_code", "stock": "add", "update_items": "false"}
# The numbers of sellers have no check digit.
_PARTS = {"repair_barcodes": "false"}
_KICAD_REFERENCES = ("Reference", "References", "Refs", "Ref", "Designator")

PRESETS = (
    Preset(
        name="homebox",
        title="Homebox",
        about="inventory",
        signs=(("HB.name",),),
        takes=(
            Take("name", ("HB.name",)),
            Take("description", ("HB.description",)),
            Take("barcode", ("HB.asset_id",), read=_asset_id),
            Take("manufacturer_code", ("HB.model_number",)),
            Take("tags", ("HB.tags", "HB.labels")),
            Take("seller", ("HB.purchase_from",)),
            Take("min_quantity", ("HB.low_stock_threshold",)),
            Take("location", ("HB.location",), read=_path),
            Take("quantity", ("HB.quantity",)),
            Take("unit_price", ("HB.purchase_price",), read=_not_zero),
            Take("notes", ("HB.notes",)),
        ),
        skips=_is_archived,
    ),
    Preset(
        name="grocy",
        title="Grocy",
        about="inventory",
        signs=(("Product", "Amount", "Due date"),),
        takes=(
            Take("name", ("Product",)),
            Take("quantity", ("Amount",), read=_number),
            Take("unit", ("Amount",), read=_unit),
            Take("expiry_date", ("Due date",), read=_due_date),
            Take("location", ("Location",)),
            Take("unit_price", ("Price",), read=_not_zero),
            Take("notes", ("Note",)),
        ),
        # A product may have several entries with one location and date.
        options={"stock": "add"},
    ),
    Preset(
        name="partdb",
        title="Part-DB",
        about="inventory",
        signs=(
            ("name", "footprint", "storage_location"), ("name", "footprint", "storelocation"),
            ("name", "minamount", "partUnit"), ("name", "category", "ipn", "mpn"),
        ),
        takes=(
            Take("name", ("name",)),
            Take("description", ("description",)),
            Take("barcode", ("ipn",)),
            Take("barcodes", ("spn", "supplier_part_number", "supplier_product_number"), read=_list),
            Take("manufacturer_code", ("mpn", "manufacturer_product_number")),
            Take("type", ("category",), read=_path),
            Take("tags", ("tags",), read=_commas),
            Take("seller", ("supplier",)),
            Take("min_quantity", ("minamount",), read=_not_zero),
            Take("location", ("storage_location", "storelocation"), read=_path),
            Take("quantity", ("quantity", "amount", "instock")),
            Take("unit", ("partUnit",)),
            Take("unit_price", ("price",), read=_not_zero),
        ),
    ),
    Preset(
        name="inventree",
        title="InvenTree",
        about="inventory",
        signs=(
            ("Part.Name", "Quantity", "Location.Name"), ("Part.Name", "Quantity", "Location.Path"),
            ("Part.Name", "Part.IPN"), ("Name", "IPN", "Keywords"), ("Name", "IPN", "Minimum Stock"),
        ),
        takes=(
            Take("name", ("Part.Name", "Name")),
            Take("description", ("Part.Description", "Description")),
            Take("barcode", ("Part.IPN", "IPN")),
            Take("barcodes", ("Supplier Part Number", "Supplier Part.SKU"), read=_list),
            Take("manufacturer_code", ("Manufacturer Part Number", "Supplier Part.MPN")),
            Take("type", ("Category Name", "Category.Name")),
            Take("tags", ("Keywords",), read=_commas),
            Take("min_quantity", ("Minimum Stock",), read=_not_zero),
            Take("location", ("Location.Path", "Location.Name"), read=_path),
            Take("quantity", ("Quantity",)),
            Take("unit", ("Units", "Part.Units")),
            Take("unit_price", ("Purchase Price",), read=_not_zero),
            Take("expiry_date", ("Expiry Date",)),
            Take("notes", ("Notes",)),
        ),
        # A part may have several stock items at one location.
        options={"stock": "add"},
    ),
    Preset(
        name="snipeit",
        title="Snipe-IT",
        about="inventory",
        signs=(
            ("Asset Tag", "Model"), ("Asset Tag", "Model Name"), ("Name", "Category", "QTY", "Min Amount"),
            ("Item Name", "Category", "Quantity", "Company"),
        ),
        takes=(
            Take("name", ("Asset Name", "Item Name", "Name", "Model", "Model Name")),
            Take("barcode", ("Asset Tag", "Item Number", "Item No.")),
            Take("manufacturer_code", ("Model Number", "Model No.")),
            Take("type", ("Category",)),
            Take("seller", ("Supplier",)),
            Take("min_quantity", ("Min Amount", "Min. QTY", "Minimum Quantity"), read=_not_zero),
            Take("location", ("Location", "Default Location")),
            # An asset is one piece.
            Take("quantity", ("QTY", "Quantity"), default="1", default_with="Asset Tag"),
            Take("unit_price", ("Purchase Cost",), read=_not_zero),
            Take("notes", ("Notes", "Asset Notes")),
        ),
    ),
    Preset(
        name="sortly",
        title="Sortly",
        about="inventory",
        signs=(("Entry Type", "Entry Name"), ("Entry Name", "Primary Folder"), ("Entry Name", "SID")),
        takes=(
            Take("name", ("Entry Name", "Variant Details"), join=", "),
            Take("barcode", ("Barcode/QR1-Data",)),
            Take("barcodes", ("Barcode/QR2-Data", "SID", "Sortly ID (SID)", "Sortly ID"), join="\n", read=_list),
            Take("tags", ("Tags",), read=_commas),
            Take("seller_link", ("Product Link",)),
            Take("min_quantity", ("Min Level",), read=_not_zero),
            Take(
                "location",
                ("Primary Folder", "Subfolder-level1", "Subfolder-level2", "Subfolder-level3", "Subfolder-level4"),
                join=PATH,
            ),
            Take("quantity", ("Quantity",)),
            Take("unit", ("Unit",)),
            Take("unit_price", ("Price",), read=_not_zero),
            Take("expiry_date", ("Expiry Date",)),
            Take("notes", ("Notes",)),
        ),
        skips=_is_folder,
    ),
    Preset(
        name="digikey",
        title="DigiKey",
        about="order",
        signs=(("DigiKey Part #", "Quantity"), ("Digi-Key Part Number", "Quantity")),
        takes=_order(
            "DigiKey", ("DigiKey Part #", "Digi-Key Part Number"), ("Manufacturer Part Number",),
            Take("description", ("Description",)),
            Take("quantity", ("Quantity", "Backorder"), join="\n", read=_arrived),
            Take("notes", ("Customer Reference",)),
        ),
        options=_ORDER,
        skips=_is_on_backorder,
    ),
    Preset(
        name="mouser",
        title="Mouser",
        about="order",
        signs=(("Mouser #:", "Mfr. #:"), ("Mouser No", "Mfr. No", "Order Qty.")),
        takes=_order(
            "Mouser", ("Mouser #:", "Mouser No"), ("Mfr. #:", "Mfr. No"),
            Take("description", ("Desc.:", "Description")),
            Take("quantity", ("Order Qty.",), read=_whole),
            Take("notes", ("Customer #",)),
        ),
        options=_ORDER,
    ),
    Preset(
        name="lcsc",
        title="LCSC",
        about="order",
        signs=(("LCSC Part Number", "Manufacture Part Number"), ("LCSC#", "MPN", "Quantity")),
        takes=_order(
            "LCSC", ("LCSC Part Number", "LCSC#"), ("Manufacture Part Number", "MPN"),
            Take("description", ("Description", "Package"), join=", "),
            Take("quantity", ("Order Qty.", "Quantity"), read=_whole),
            Take("notes", ("Customer NO.", "Customer #")),
        ),
        options=_ORDER,
    ),
    Preset(
        name="altium",
        title="Altium Designer",
        about="parts",
        signs=(("Comment", "Designator", "Footprint"), ("Comment", "Designator", "LibRef")),
        takes=_parts(
            ("Designator",),
            Take("name", ("Comment", "Value", "Name", "LibRef"), read=_filled),
            Take("footprint", ("Footprint",), read=_footprint),
        ),
        options=_PARTS,
        skips=_is_not_populated,
    ),
    Preset(
        name="kicad",
        title="KiCad",
        about="parts",
        signs=(
            *((reference, "Value", other) for reference in _KICAD_REFERENCES for other in ("Footprint", "DNP")),
            ("Designator", "Designation", "Footprint"), ("Designator", "Designation", "Package"),
        ),
        takes=_parts(
            _KICAD_REFERENCES,
            Take("name", ("Value", "Designation"), read=_filled),
            Take("footprint", ("Footprint", "Package"), read=_footprint),
        ),
        options=_PARTS,
        skips=_is_not_populated,
    ),
)  # fmt: skip
BY_NAME = {preset.name: preset for preset in PRESETS}
_SIGNS = [(preset, frozenset(map(plain, sign))) for preset in PRESETS for sign in preset.signs]


def detect(header: list[str]) -> Preset | None:
    """The preset whose file has such a header."""
    names = set(map(plain, header))
    return next((preset for preset, sign in _SIGNS if sign <= names), None)


def fits(preset: Preset, header: list[str]) -> bool:
    """Whether a file with this header may be one of the preset."""
    names = set(map(plain, header))
    return any(each is preset and sign <= names for each, sign in _SIGNS)


def used_headers(preset: Preset, header: list[str]) -> Iterator[tuple[str, Take]]:
    """The columns of a file that a preset reads, each with a field that it is read for."""
    for name in header:
        if take := next((each for each in preset.takes if plain(name) in map(plain, each.headers)), None):
            yield name, take
