"""Records one scan: an operation by its scanner's state, posted to the group commit, and the answer.

A scan that cannot be booked returns the reason and the current stock.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.barcodes.codes import LONGEST, ScannedCode, describe_misread, is_blank, is_too_long
from stocky.barcodes.reader import read_code
from stocky.catalogue.location_names import AmbiguousName, LocationNames
from stocky.db import Connection
from stocky.errors import Invalid
from stocky.names import name_key
from stocky.quantity import quantity_text, to_milli
from stocky.scanner.repository import (
    LookedUp,
    ScannerRow,
    clear_next_quantities,
    find_looked_up,
    find_scanners,
    lock_next_quantities,
    note_looked_up,
    own_scanner_id,
    touch_scanners,
)
from stocky.scanner.schemas import Mode, Scan, ScanAnswer, SuggestedAction
from stocky.stock.operations import DependsOnOutcomes, ItemKey, LocationKey, Operation, Outcome, Posting
from stocky.stock.recorder import Recorder
from stocky.stock.schemas import StockEvent
from stocky.stock.service import label_fields, named, paid_price, raise_if_rejected

_KINDS = {Mode.ADD: "add", Mode.REMOVE: "remove", Mode.MOVE: "move", Mode.COUNT: "set"}
_SET_LOCATION = SuggestedAction(
    "set_location", "Set the scanner's location: scan a location's QR code", {"command": "set_location", "payload": {}}
)
_NAME_QUANTITY = SuggestedAction("name_quantity", "Send the quantity that was counted")


class _HintRow(msgspec.Struct):
    id: int
    name: str
    path: str


class _Hints:
    """The locations that the hints of some scans name: a path, a name, or else an id."""

    def __init__(self, rows: list[_HintRow]) -> None:
        self._names = LocationNames(rows)
        self._ids = {str(row.id): row.id for row in rows}

    def find(self, hint: str | int | None) -> LocationKey | None:
        """The location of a hint; one that several locations have as their name is left to be refused."""
        if hint is None:
            return None
        text = str(hint)
        try:
            named = self._names.find(text)
        except AmbiguousName:
            return LocationKey(name=text)
        location_id = self._ids.get(text) if named is None else named.id
        return None if location_id is None else LocationKey(id=location_id)


_NO_HINTS = _Hints([])


class ScanPosting(Posting):
    """The posting of one scan; with `lookup_only` nothing is booked in any mode.

    One that `may_come_again` later, with its event_id, then books nothing if it booked nothing the first time.
    """

    def __init__(
        self,
        scan: Scan,
        scanned: ScannedCode,
        by: Principal,
        *,
        lookup_only: bool = False,
        may_come_again: bool = False,
    ) -> None:
        super().__init__([])
        self.scan = scan
        self.scanned = scanned
        self.lookup_only = lookup_only
        self.may_come_again = may_come_again
        # Whether it came before, and booked nothing.
        self.was_looked_up = False
        self.by = by
        self.scanner_id = scan.scanner_id or own_scanner_id(by)
        self.scanner = ScannerRow(self.scanner_id)
        self.needs_location = False
        # The location hint, if it names no location.
        self.unknown_hint: str | int | None = None
        # The scanner's next quantity in thousandths, if this scan uses it up.
        self.used_next_milli: int | None = None
        self._named = named(scan.event_id, scan)

    @classmethod
    async def prepare(cls, tx: Connection, postings: list[ScanPosting]) -> None:
        scanners = await find_scanners(tx, list({posting.scanner_id for posting in postings}))
        armed = [id for id, scanner in scanners.items() if scanner.next_quantity_milli is not None]
        if armed:
            # It is for the first scan that is booked: not for a replay, and not for one that is rejected.
            times = Counter(posting.scanner_id for posting in postings if not posting.lookup_only)
            if any(times[id] > 1 for id in armed):
                raise DependsOnOutcomes
            await lock_next_quantities(tx, [scanners[id] for id in sorted(armed)])
        hints = await _find_hints(tx, postings)
        if again := [posting for posting in postings if posting.may_come_again]:
            looked_up = await find_looked_up(
                tx, [each.scan.event_id for each in again if each.scan.event_id is not None]
            )
            for posting in again:
                posting.was_looked_up = posting.scan.event_id in looked_up
        for posting in postings:
            posting.scanner = scanners[posting.scanner_id]
            if posting.lookup_only:
                posting.scanner = msgspec.structs.replace(posting.scanner, mode=Mode.LOOKUP)
            posting.operations = [posting._operation(hints)]

    @classmethod
    async def finish(cls, tx: Connection, postings: list[ScanPosting]) -> None:
        moment = clock.now()
        used = []
        for posting in postings:
            if posting.used_next_milli is not None and posting.outcomes[0].status == "applied":
                used.append(posting.scanner_id)
                posting.scanner.next_quantity_milli = None
        if used:
            await clear_next_quantities(tx, used)
        if booked_nothing := [each for posting in postings if posting.may_come_again and (each := _looked_up(posting))]:
            await note_looked_up(tx, booked_nothing)
        latest = {posting.scanner_id: posting for posting in postings}
        for posting in latest.values():
            posting.scanner.last_seen = moment
            posting.scanner.last_scan = posting.scan.upc
        # Always in the same order, so that two processes do not deadlock.
        await touch_scanners(
            tx,
            [
                (scanner_id, latest[scanner_id].by.id, moment, latest[scanner_id].scan.upc)
                for scanner_id in sorted(latest)
            ],
        )

    def _operation(self, hints: _Hints) -> Operation:
        scan, scanner = self.scan, self.scanner
        hinted = hints.find(scan.location_hint)
        own = None if scanner.location_id is None else LocationKey(id=scanner.location_id)
        here = hinted or own
        kind = _KINDS.get(scanner.mode)
        self.needs_location = kind is not None and here is None
        quantity_milli = self._quantity_milli()
        if quantity_milli is None:
            kind = None
        self.unknown_hint = None
        if kind is not None and hinted is None and scan.location_hint and str(scan.location_hint).strip():
            self.unknown_hint = scan.location_hint
        if self.needs_location or self.was_looked_up:
            kind = None
        if kind is None:
            self.used_next_milli = None
        operation = Operation(
            kind=kind,  # type: ignore[arg-type]  # the values of _KINDS are kinds
            item=ItemKey(scanned=self.scanned),
            quantity_milli=quantity_milli or 0,
            unit=scan.unit,
            in_packs=scan.unit is None,
            create_stub=scanner.mode is not Mode.LOOKUP and not self.was_looked_up,
            occurred_at=scan.scanned_at,
            note=self.scanned.note,
            user_id=self.by.id,
            scanner_id=self.scanner_id,
            with_details=True,
            **label_fields(self.scanned),
            **self._named,
        )
        if kind == "move":
            # The scanned item moves to the scanner's location, from the hinted one or the only other one.
            operation.to_location = own or here
            operation.location = None if hinted == own else hinted
        elif kind is not None:
            operation.location = here
            if kind == "add":
                operation.price = paid_price(scan.unit_price)
        return operation

    def _quantity_milli(self) -> int | None:
        """What the scan counts, in thousandths: its own quantity, else the scanner's next one; None for an open count.

        Many clients send a quantity of 1 with every scan, so outside of a count it stands for none.
        """
        own, is_count = self.scan.quantity, self.scanner.mode is Mode.COUNT
        self.used_next_milli = self.scanner.next_quantity_milli if own is None or (own == 1 and not is_count) else None
        if self.used_next_milli is not None:
            return self.used_next_milli
        if own is None:
            return None if is_count else 1000
        return to_milli(own)


async def scan_barcode(recorder: Recorder, scan: Scan, by: Principal, *, may_come_again: bool = False) -> ScanAnswer:
    """Records a scan and answers it. Raises Conflict for an event_id that was used with other content."""
    scanned = await read_code(scan.upc, recorder.measure_rules.current)
    return await _answer(recorder, ScanPosting(scan, scanned, by, may_come_again=may_come_again))


async def look_up(recorder: Recorder, barcode: str, by: Principal) -> ScanAnswer:
    """The item of a barcode or code, with its stock; nothing is booked. Raises Invalid for a blank or too long one."""
    if is_blank(barcode):
        raise Invalid("The barcode is blank; check what the scanner reads", field="upc")
    if is_too_long(barcode):
        raise Invalid(f"A barcode has at most {LONGEST} characters", field="upc")
    scanned = await read_code(barcode, recorder.measure_rules.current)
    return await _answer(recorder, ScanPosting(Scan(upc=barcode), scanned, by, lookup_only=True))


async def _answer(recorder: Recorder, posting: ScanPosting) -> ScanAnswer:
    await recorder.post(posting)
    outcome = posting.outcomes[0]
    if outcome.rejection == "event_id":
        raise_if_rejected(outcome)
    was_looked_up = outcome.rejection == "looked_up"
    warning = posting.scanned.warning
    if warning is not None and not recorder.scanner_hints.first_time(posting.scanner_id, warning):
        warning = None
    message = _message(posting, outcome)
    return ScanAnswer(
        success=outcome.status != "rejected" or was_looked_up or _is_unknown(posting, outcome),
        item=outcome.item,
        skus=outcome.skus,
        message=message if warning is None else f"{message}. {warning}",
        mode=posting.scanner.mode,
        scanner_state=posting.scanner.to_state(),
        suggested_actions=_suggestions(posting, outcome),
        event=outcome.events[0] if outcome.events else None,
        duplicate=outcome.status == "duplicate" or was_looked_up,
    )


def _looked_up(posting: ScanPosting) -> LookedUp | None:
    """What to store of a scan that booked nothing; None for one that was booked, or is known."""
    operation, outcome = posting.operations[0], posting.outcomes[0]
    if operation.kind is not None or operation.event_id is None or outcome.rejection in ("event_id", "looked_up"):
        return None
    refusal, reason = outcome.rejection, outcome.reason
    if outcome.status == "looked_up" or _is_unknown(posting, outcome):
        refusal, reason = "looked_up", _message(posting, outcome)
    # A duplicate has neither: an earlier scan with this event_id was booked.
    return refusal and LookedUp(operation.event_id, operation.fingerprint or "", refusal, reason or "")


async def _find_hints(tx: Connection, postings: list[ScanPosting]) -> _Hints:
    hints = {str(posting.scan.location_hint) for posting in postings if posting.scan.location_hint is not None}
    if not hints:
        return _NO_HINTS
    ids = [int(hint) for hint in hints if hint.isascii() and hint.isdigit() and len(hint) < 16]
    rows: list[_HintRow] = await tx.all(
        "find_locations",
        _HintRow,
        ids=ids,
        keys=[name_key(hint) for hint in hints],
        box_nos="[]",
        loc_nos="[]",
    )
    return _Hints(rows)


def _message(posting: ScanPosting, outcome: Outcome) -> str:
    if outcome.rejection == "looked_up":
        # That of the first time.
        return outcome.reason or ""
    summary = _summary(posting, outcome)
    is_named = outcome.item is not None and not outcome.item.needs_review
    if not is_named and (misread := describe_misread(posting.scanned)) is not None:
        summary = f"{summary}. {misread}"
    if posting.unknown_hint is None or posting.needs_location or outcome.status not in ("applied", "rejected"):
        return summary
    used = "" if posting.scanner.mode is Mode.MOVE else f"; used the scanner's, {posting.scanner.location_path}"
    return f"{summary}. There is no location {posting.unknown_hint!r}{used}"


def _summary(posting: ScanPosting, outcome: Outcome) -> str:
    name = outcome.item.name if outcome.item else f"Unknown barcode {posting.scanned.code}"
    if outcome.status == "rejected":
        return f"{name}: no item has it yet" if _is_unknown(posting, outcome) else outcome.reason or ""
    if outcome.status == "duplicate":
        return f"{name}: this scan was already counted"
    if posting.needs_location:
        hint = "" if posting.unknown_hint is None else f"there is no location {posting.unknown_hint!r}, and "
        return f"{name}: nothing was booked, because {hint}the scanner has no location yet"
    if outcome.status == "looked_up":
        return f"{name}: {_total(outcome)} in stock"
    if posting.scanner.mode is Mode.MOVE:
        return f"{name}: {_changed(outcome, [event for event in outcome.events if event.delta > 0])} moved here"
    if posting.scanner.mode is Mode.COUNT:
        return f"{name}: counted {quantity_text(outcome.quantity_after_milli or 0)}{_unit_of(outcome, outcome.sku_id)}"
    verb = "added" if posting.scanner.mode is Mode.ADD else "taken"
    short = ", all that was left" if outcome.is_short else ""
    return f"{name}: {_changed(outcome, outcome.events)} {verb}{short}, {_total(outcome)} in stock"


def _total(outcome: Outcome) -> str:
    if outcome.item is None:
        return quantity_text(outcome.quantity_after_milli or 0)
    unit = f" {outcome.item.unit}" if _has_several_units(outcome) else ""
    return f"{quantity_text(to_milli(outcome.item.total_quantity))}{unit}"


def _changed(outcome: Outcome, events: list[StockEvent]) -> str:
    """The booked quantity, unit by unit if the item is counted in several."""
    amounts: dict[str, int] = {}
    for event in events:
        unit = _unit_of(outcome, event.sku_id)
        amounts[unit] = amounts.get(unit, 0) + abs(to_milli(event.delta, "delta"))
    return " and ".join(f"{quantity_text(milli)}{unit}" for unit, milli in amounts.items())


def _unit_of(outcome: Outcome, sku_id: int | None) -> str:
    """The unit after a quantity, if the item is counted in several units."""
    if not _has_several_units(outcome):
        return ""
    return next((f" {sku.unit}" for sku in outcome.skus if sku.id == sku_id), "")


def _has_several_units(outcome: Outcome) -> bool:
    return len(outcome.skus) > 1 and len({sku.unit for sku in outcome.skus}) > 1


def _is_unknown(posting: ScanPosting, outcome: Outcome) -> bool:
    """Whether a look-up found no item."""
    return posting.operations[0].kind is None and outcome.rejection == "not_found"


def _suggestions(posting: ScanPosting, outcome: Outcome) -> list[SuggestedAction]:
    suggestions = []
    if posting.needs_location or posting.unknown_hint is not None:
        suggestions.append(_SET_LOCATION)
    elif posting.scanner.mode is Mode.COUNT and posting.operations[0].kind is None:
        suggestions.append(_NAME_QUANTITY)
    if outcome.item is not None and outcome.item.needs_review:
        suggestions.append(
            SuggestedAction(
                "review_item", "Give the item its name, or merge it into the right one", {"item_id": outcome.item.id}
            )
        )
    return suggestions
