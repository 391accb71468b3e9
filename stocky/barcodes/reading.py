"""What a scanned text says: for most of them, which barcode it is."""

from __future__ import annotations

from datetime import date

from msgspec import Struct

from stocky.barcodes.keys import key_of


class Reading(Struct, frozen=True, gc=False):
    """A barcode, with the key it is found by; the rest is what a GS1 code says beside its number.

    `expiry` is its lot of stock, `note` its lot and serial number in words, `milligrams` its net weight and `count`
    the pieces in it. `problem` says why it cannot be used at all.
    """

    code: str
    key: str
    expiry: date | None = None
    note: str | None = None
    milligrams: int | None = None
    count: int | None = None
    problem: str | None = None


def read_plain(code: str) -> Reading:
    """A text that is a barcode and nothing else."""
    return Reading(code, key_of(code))
