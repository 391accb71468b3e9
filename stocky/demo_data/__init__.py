"""Demonstration data: a kitchen and an electronics bench, written only into a database without items.

It uses the repositories and the recorder, as people and scanners do.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from msgspec import Struct

from stocky import clock
from stocky.auth.credentials import Passwords
from stocky.auth.repository import add_api_key, add_user, changing, find_user_named, list_users
from stocky.auth.schemas import NewApiKey, NewUser, Principal, Role, User
from stocky.boxes.repository import add_box
from stocky.boxes.schemas import NewBox
from stocky.catalogue import field_repository, location_repository, part_repository, repository
from stocky.catalogue.fields import FieldKind, NewItemField
from stocky.catalogue.schemas import Barcode, NewItem, NewItemType, NewLocation
from stocky.db import Connection, Database
from stocky.demo_data.month import DAYS, DemoItem, Month, People, arrival_location
from stocky.demo_data.things import BOARDS, LOCATIONS, NEIGHBOUR, PARENTS, SEMICONDUCTORS, Thing, first_things
from stocky.names import name_key
from stocky.projects.repository import add_project
from stocky.projects.schemas import NewProject
from stocky.scanner.repository import change_state, touch_scanner
from stocky.scanner.schemas import Mode, StateChange
from stocky.schema import LocationKind, OversellPolicy, StorageType
from stocky.shopping.repository import add_list
from stocky.shopping.schemas import NewEntry, NewList
from stocky.shopping.service import add_to_list
from stocky.stock.recorder import Recorder
from stocky.stock.service import raise_if_rejected

# The scanners with their mode and location.
_SCANNERS = {
    "kitchen": (Mode.REMOVE, "Pantry, lower shelf"),
    "shopping-bag": (Mode.ADD, "Kitchen counter"),
    "cellar": (Mode.MOVE, "Cellar shelf"),
    "workbench": (Mode.REMOVE, "Workbench"),
    "label-printer": (Mode.LOOKUP, None),
}
# The code of the first item, which examples of the API can name; those of the others are random.
FIRST_CODE = "KZMA"
# The choices of the custom field that the type of parts has.
PACKAGES = ("TO-92", "TO-220", "DIP-8", "DIP-16", "SOT-223")


class _PartType(NamedTuple):
    """The type of parts, and the packages that its field has; none in a type that was there before."""

    id: int
    packages: tuple[str, ...]


class Demo(Struct, frozen=True):
    """The created data. Only this holds the scanners' key and the password of a newly created admin."""

    items: int
    locations: int
    events: int
    days: int
    admin: str | None
    password: str | None
    scanner_key: str


async def holds_items(database: Database) -> bool:
    """Whether the database has items, including inactive ones."""
    async with database.read() as read:
        for is_active in (True, False):
            if await read.run(repository.list_items, repository.ItemFilter(is_active=is_active), skip=0, limit=1):
                return True
    return False


async def fill(
    database: Database,
    *,
    items: int,
    events: int,
    seed: int,
    introduce: Callable[[Demo], None],
    progress: Callable[[int], None],
) -> None:
    """Fills an open database without items, with at most MAX_THINGS items.

    Calls `introduce` with the created data as soon as it is usable, before the events, and `progress` with the number
    of recorded events.
    """
    random = Random(seed)
    password = secrets.token_urlsafe(12)
    passwords = Passwords()
    hashes = [await passwords.hash(each) for each in (password, secrets.token_urlsafe(32))]
    passwords.close()
    async with changing(database) as tx:
        admin = await _find_admin(tx)
        is_new = admin is None
        admin = admin or await add_user(tx, _person("admin", Role.ADMIN, password), hashes[0], None)
        member = await _person_named(tx, "robin", Role.MEMBER, hashes[1])
        scanner = await _person_named(tx, "scanners", Role.SCANNER, hashes[1])
        key = await add_api_key(tx, scanner.id, NewApiKey("demo"), None)
        locations = await _add_locations(tx, Principal(admin))
        part_type = await _find_or_add_type(tx, Principal(member))
        demo_items = [
            await _add_thing(tx, thing, locations, part_type, Principal(member), code=None if number else FIRST_CODE)
            for number, thing in enumerate(first_things(items))
        ]
        await _add_plans(tx, demo_items, Principal(member))
        for scanner_id, (mode, location) in _SCANNERS.items():
            state = StateChange(mode=mode, location_id=None if location is None else locations[location])
            await touch_scanner(tx, scanner_id, Principal(scanner))
            await change_state(tx, scanner_id, state, Principal(member))
    introduce(
        Demo(
            items=len(demo_items),
            locations=len(locations),
            events=events,
            days=DAYS,
            admin=admin.username if is_new else None,
            password=password if is_new else None,
            scanner_key=key.api_key,
        )
    )
    month = Month(demo_items, People(member.id, scanner.id), events, clock.now(), random)
    await _record(database, month, progress)


async def _record(database: Database, month: Month, progress: Callable[[int], None]) -> None:
    recorder = Recorder(database)
    recorder.start()
    try:
        recorded = 0
        for posting in month.postings():
            await recorder.post(posting)
            for outcome in posting.outcomes:
                raise_if_rejected(outcome)
            recorded += len(posting.operations)
            progress(recorded)
    finally:
        await recorder.close()


async def _add_locations(tx: Connection, by: Principal) -> dict[str, int]:
    locations: dict[str, int] = {}
    for name, storage_type in LOCATIONS.items():
        parent_id = locations[PARENTS[name]] if name in PARENTS else None
        kind = LocationKind.PERSON if name == NEIGHBOUR else LocationKind.PLACE
        new = NewLocation(name=name, storage_type=storage_type, parent_id=parent_id, kind=kind)
        locations[name] = (await location_repository.add_location(tx, new, by)).id
    return locations


async def _find_or_add_type(tx: Connection, by: Principal) -> _PartType:
    new = NewItemType(name="Semiconductors", description="Diodes, transistors and chips")
    key = name_key(new.name)
    types = await part_repository.list_item_types(tx, skip=0, limit=1000, pattern=None)
    found = next((each.id for each in types if name_key(each.name) == key), None)
    if found is not None:
        return _PartType(found, ())
    type_id = (await part_repository.add_item_type(tx, new, by)).id
    package = NewItemField(name="Package", kind=FieldKind.CHOICE, choices=list(PACKAGES))
    await field_repository.add_field(tx, type_id, package, by)
    return _PartType(type_id, PACKAGES)


async def _add_plans(tx: Connection, items: list[DemoItem], by: Principal) -> None:
    """An empty box, a shopping list and a project, so that each has an example."""
    await add_box(tx, NewBox(capacity=6, storage_type=StorageType.GARAGE), by)
    weekly = await add_list(tx, NewList(name="Weekly shopping", is_public=True), by)
    for entry in (NewEntry(item_id=items[0].item_id, quantity=2), NewEntry(text="Birthday candles")):
        await add_to_list(tx, weekly.id, entry, by)
    needed = [NewEntry(item_id=each.item_id, quantity=2) for each in items if each.thing.is_for_bench][:3]
    await add_project(tx, NewProject(name="Desk lamp", notes="For the hall", items=needed), by)


async def _add_thing(
    tx: Connection, thing: Thing, locations: dict[str, int], part_type: _PartType, by: Principal, *, code: str | None
) -> DemoItem:
    storage_type = LOCATIONS[thing.location]
    is_part = thing.location == SEMICONDUCTORS
    # As in "NE555 timer, DIP-8".
    package = thing.name.rpartition(", ")[2]
    item = await repository.add_item(
        tx,
        NewItem(
            name=thing.name,
            description=thing.note,
            upc=thing.barcode,
            barcodes=[Barcode(thing.pack_barcode, thing.pack)] if thing.pack else [],
            default_storage_type=storage_type,
            min_quantity=thing.min_quantity,
            # Small parts are not counted exactly: the last ones may be fewer than recorded.
            oversell_policy=OversellPolicy.CLAMP if thing.is_for_bench else OversellPolicy.REJECT,
            type_id=part_type.id if is_part else None,
            fields={"Package": package} if is_part and package in part_type.packages else {},
            tags=["fragile"] if thing.location == BOARDS else [],
        ),
        by,
        code=code,
    )
    return DemoItem(thing, item.id, locations[thing.location], locations[arrival_location(thing, storage_type)])


async def _find_admin(tx: Connection) -> User | None:
    users = await list_users(tx, skip=0, limit=1000)
    return next((user for user in users if user.is_active and user.role is Role.ADMIN), None)


async def _person_named(tx: Connection, username: str, role: Role, password_hash: str) -> User:
    """The user of that name, created if missing with a password that is unknown until it is reset."""
    user = await find_user_named(tx, username)
    return user or await add_user(tx, _person(username, role, "not this one"), password_hash, None)


def _person(username: str, role: Role, password: str) -> NewUser:
    return NewUser(username=username, email=f"{username}@stocky.invalid", password=password, role=role)
