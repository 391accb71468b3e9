"""Custom fields in the database: the fields of types, and the values that items have in them.

A stored value fits its field. None is lost unless the caller forces it, and the audit log then has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct

from stocky import clock
from stocky.auth.schemas import Principal
from stocky.catalogue.fields import (
    MOST_CHOICES,
    MOST_FIELDS,
    FieldKind,
    ItemField,
    ItemFieldChange,
    NewItemField,
    Value,
    keys_between,
    plain_text,
    read_value,
    value_key,
)
from stocky.catalogue.schemas import Item, ItemType
from stocky.catalogue.version_bumps import bump_items_of
from stocky.db import Connection
from stocky.errors import Conflict, Invalid, NotFound, Stale
from stocky.logs import audit
from stocky.names import name_key
from stocky.schema import is_empty, or_current

# The values that are read again when the kind or the choices of their field change.
MOST_VALUES = 10_000
# The values that an entry of the audit log has.
MOST_LISTED = 1_000

# Fields by the keys of their names.
Fields = Mapping[str, ItemField]


class _Value(Struct):
    item_id: int
    value: str


class _Name(Struct):
    name: str


async def list_fields(read: Connection, type_id: int) -> list[ItemField]:
    """The fields of a type in their order. Raises NotFound."""
    await _get_type(read, type_id)
    return await read.all("list_fields", ItemField, type_id=type_id)


async def fields_of_types(read: Connection, type_ids: Collection[int]) -> dict[int, Fields]:
    """The fields of these types, by the type."""
    if not type_ids:
        return {}
    return _by_type(await read.all("list_fields_of_types", ItemField, type_ids=set(type_ids)))


async def list_field_names(read: Connection, type_id: int | None) -> list[str]:
    """The names of the fields of a type, or of all types: once each, as the first one has it."""
    names: dict[str, str] = {}
    for row in await read.all("list_field_names", _Name, type_id=type_id):
        names.setdefault(name_key(row.name), row.name)
    return list(names.values())


async def get_field(read: Connection, type_id: int, field_id: int) -> ItemField:
    """One field of a type. Raises NotFound."""
    return _find(await list_fields(read, type_id), type_id, field_id)


async def count_values(read: Connection, field_id: int) -> int:
    """The number of items with a value in a field, also of those that had its type before."""
    count: int = await read.value("count_items_with_values", ids=[field_id])
    return count


async def add_field(tx: Connection, type_id: int, new: NewItemField, by: Principal) -> ItemField:
    """Adds a field to a type. Raises NotFound, Invalid, Conflict if a field has the name or there are too many."""
    item_type = await _get_type(tx, type_id)
    _check(new.kind, new.unit or "", new.choices)
    fields = await tx.all("lock_fields", ItemField, type_id=type_id)
    if len(fields) >= MOST_FIELDS:
        raise Conflict(f"{item_type.name} has {MOST_FIELDS} fields already, which is the most")
    field_id = await tx.value(
        "add_field",
        type_id=type_id,
        name=new.name,
        name_key=name_key(new.name),
        kind=new.kind,
        unit=new.unit or "",
        choices=new.choices,
        position=len(fields) + 1,
        created_at=clock.now(),
    )
    if new.position is not None:
        await _place(tx, fields, field_id, new.position)
    details = {"type": item_type.name, **msgspec.to_builtins(new)}
    await audit.record(tx, by, "created", "item_field", field_id, details)
    return await get_field(tx, type_id, field_id)


async def change_field(
    tx: Connection,
    type_id: int,
    field_id: int,
    change: ItemFieldChange,
    by: Principal,
    *,
    force: bool = False,
    if_versions: Collection[int] | None = None,
) -> ItemField:
    """Applies `change`; `force` removes the values that do not fit then.

    Raises NotFound, Stale if its version is not in `if_versions`, Invalid, Conflict if another field has the name or if
    values would not fit.
    """
    item_type = await _get_type(tx, type_id)
    if is_empty(change) and if_versions is None:
        return await get_field(tx, type_id, field_id)
    bumped = await bump_items_of(tx, "type", type_id)
    fields = await tx.all("lock_fields", ItemField, type_id=type_id)
    field = _find(fields, type_id, field_id)
    if if_versions is not None and field.version not in if_versions:
        raise Stale("The field was changed since you read it; read it again and repeat")
    if is_empty(change):
        return field
    kind = or_current(change.kind, field.kind)
    changed = msgspec.structs.replace(
        field,
        name=or_current(change.name, field.name),
        kind=kind,
        unit=or_current(change.unit, field.unit if kind is FieldKind.NUMBER else "") or "",
        choices=or_current(change.choices, field.choices if kind is FieldKind.CHOICE else []),
    )
    _check(changed.kind, changed.unit, changed.choices)
    lost = await _refit(tx, field, changed, force=force)
    await tx.execute(
        "change_field",
        id=field_id,
        name=changed.name,
        name_key=name_key(changed.name),
        kind=changed.kind,
        unit=changed.unit,
        choices=changed.choices,
        updated_at=clock.now(),
    )
    if isinstance(change.position, int):
        await _place(tx, fields, field_id, change.position)
    await bump_items_of(tx, "type", type_id, bumped)
    details = {name: value for name, value in msgspec.to_builtins(change).items() if value is not UNSET}
    details |= {"type": item_type.name, "name": changed.name} | _listed(lost)
    if changed.name != field.name:
        details["was"] = field.name
    await audit.record(tx, by, "changed", "item_field", field_id, details)
    return await get_field(tx, type_id, field_id)


async def remove_field(tx: Connection, type_id: int, field_id: int, by: Principal, *, force: bool = False) -> None:
    """Removes a field. Raises NotFound, Conflict while items have a value in it, unless forced to remove these."""
    item_type = await _get_type(tx, type_id)
    bumped = await bump_items_of(tx, "type", type_id)
    fields = await tx.all("lock_fields", ItemField, type_id=type_id)
    field = _find(fields, type_id, field_id)
    await _remove(tx, item_type, [field], by, force=force)
    for position, each in enumerate((each for each in fields if each.id != field_id), 1):
        if each.position != position:
            await tx.execute("place_field", id=each.id, position=position)
    await bump_items_of(tx, "type", type_id, bumped)


async def remove_fields_of(tx: Connection, item_type: ItemType, by: Principal, *, force: bool) -> None:
    """Removes the fields of a type that no item has.

    Items that had it before may have values in them: raises Conflict then, unless forced to remove these.
    """
    fields = await tx.all("lock_fields", ItemField, type_id=item_type.id)
    if fields:
        await _remove(tx, item_type, fields, by, force=force)


async def combine_fields(tx: Connection, type_id: int, into: ItemType, items: Collection[int], by: Principal) -> None:
    """Gives all fields of a type to another one, with the values of items; of equal names they become one field.

    The values of `items`, which have the first type, replace those that they have hidden in fields of the other one.
    Raises Conflict for two fields of one name that differ in kind or unit, and for too many fields or choices.
    """
    # Items that have the other type already may have had the first one: their values in its fields show now.
    bumped = await bump_items_of(tx, "type", into.id)
    fields = await tx.all("lock_fields", ItemField, type_id=type_id)
    others = await tx.all("lock_fields", ItemField, type_id=into.id)
    by_key = _by_key(others)
    for field in fields:
        other = by_key.get(name_key(field.name))
        if other is None:
            if len(others) >= MOST_FIELDS:
                raise Conflict(f"{into.name} would have more than {MOST_FIELDS} fields; remove some first")
            others.append(field)
            await tx.execute("move_field", id=field.id, type_id=into.id, position=len(others))
            await tx.execute("touch_field_values", field_id=field.id)
            continue
        if (field.kind, field.unit) != (other.kind, other.unit):
            raise Conflict(f"The field {other.name} of both types has two kinds or units; rename one of them first")
        if len(choices := _united(other.choices, field.choices)) > MOST_CHOICES:
            raise Conflict(f"{other.name} would have more than {MOST_CHOICES} choices; remove some first")
        if choices != other.choices:
            await change_field(tx, into.id, other.id, ItemFieldChange(choices=choices), by)
        values = await tx.all("list_field_values", _Value, field_id=field.id)
        present = {each.item_id for each in await tx.all("list_field_values", _Value, field_id=other.id)} - set(items)
        united = msgspec.structs.replace(other, choices=choices)
        await _store(tx, [(each.item_id, united, each.value) for each in values if each.item_id not in present])
        await tx.execute("remove_values_of_field", field_id=field.id, ids=[each.item_id for each in values])
        await tx.execute("remove_field", id=field.id)
    await bump_items_of(tx, "type", into.id, bumped)


async def set_values(tx: Connection, item_id: int, type_id: int | None, sent: Mapping[str, Value | None]) -> None:
    """Sets values of an item by the names of the fields of its type; an empty one is removed.

    Raises Invalid for a field that the type lacks, and for a value that does not fit.
    """
    if sent:
        (fields,) = await _share(tx, type_id)
        await _set(tx, item_id, type_id, fields, sent)


async def change_values(
    tx: Connection, item: Item, type_id: int | None, sent: Mapping[str, Value | None]
) -> dict[str, Value]:
    """The same for an item that may get another type, whose fields of the same names take the values that fit.

    Returns the values that show no more: they stay with the fields of the old type, and show when it has that again.
    """
    if type_id == item.type_id:
        await set_values(tx, item.id, type_id, sent)
        return {}
    if not sent and not item.fields:
        return {}
    new, old = await _share(tx, type_id, item.type_id)
    own = _keyed(item.fields)
    # A client may send back all that it has read, also the values that the new type has no field for.
    values = {name: value for name, value in sent.items() if value is None or own.get(name_key(name)) != value}
    replaced = {name_key(name) for name in values}
    taken, hidden = [], dict[str, Value]()
    for name, value in item.fields.items():
        key = name_key(name)
        if key in new and (key in replaced or _fitting(new[key], value) is not None):
            taken.append(old[key].id)
            if key not in replaced:
                values[name] = _fitting(new[key], value)
        else:
            hidden[name] = value
    await tx.execute("remove_field_values", item_id=item.id, ids=taken)
    await _set(tx, item.id, type_id, new, values)
    return hidden


async def take_values(tx: Connection, source: Item, target: Item) -> dict[str, str]:
    """Gives an item the values of another one that fit its fields and that it lacks; the other one keeps them.

    Returns their texts.
    """
    if not source.fields or target.type_id is None:
        return {}
    (fields,) = await _share(tx, target.type_id)
    present = _keyed(target.fields)
    taken = {
        fields[key].name: text
        for key, value in _keyed(source.fields).items()
        if key in fields and key not in present and (text := _fitting(fields[key], value)) is not None
    }
    await _set(tx, target.id, target.type_id, fields, taken)
    return taken


async def return_values(tx: Connection, item: Item, taken: Mapping[str, str]) -> None:
    """Removes the values that the item took and still has."""
    present = {name_key(name): plain_text(value) for name, value in item.fields.items()}
    left = {name: None for name, text in taken.items() if present.get(name_key(name)) == text}
    await set_values(tx, item.id, item.type_id, left)


async def find_ranges(
    read: Connection, wanted: Iterable[tuple[str, str]], type_id: int | None
) -> list[tuple[int, str, str]]:
    """The fields of all types, or of one, that filters by name mean, with the first and the last key of their values.

    Raises Invalid for a name that no field has, and for a value that none of them can have.
    """
    wanted = list(wanted)
    fields: dict[str, list[ItemField]] = defaultdict(list)
    for field in await read.all("find_fields", ItemField, keys={name_key(name) for name, _ in wanted}, type_id=type_id):
        fields[name_key(field.name)].append(field)
    found: list[tuple[int, str, str]] = []
    for name, text in wanted:
        if not (named := fields[name_key(name)]):
            raise Invalid(f"field.{name}: no type has a field with this name", field=f"field.{name}")
        problem: ValueError | None = None
        count = len(found)
        for field in named:
            try:
                found.append((field.id, *keys_between(field, text)))
            except ValueError as error:
                problem = error
        if len(found) == count:
            raise Invalid(f"field.{name}: {problem}", field=f"field.{name}")
    return found


async def _get_type(read: Connection, type_id: int) -> ItemType:
    item_type = await read.one("get_item_type", ItemType, id=type_id)
    if item_type is None:
        raise NotFound(f"There is no item type with id {type_id}")
    return item_type


def _find(fields: Iterable[ItemField], type_id: int, field_id: int) -> ItemField:
    found = next((field for field in fields if field.id == field_id), None)
    if found is None:
        raise NotFound(f"The item type {type_id} has no field with id {field_id}")
    return found


def _check(kind: FieldKind, unit: str, choices: Sequence[str]) -> None:
    if unit and kind is not FieldKind.NUMBER:
        raise Invalid("unit: only a number has a unit", field="unit")
    if choices and kind is not FieldKind.CHOICE:
        raise Invalid("choices: only a field of the kind choice has choices", field="choices")
    if kind is FieldKind.CHOICE and not choices:
        raise Invalid("choices: a choice needs at least one", field="choices")
    if len({name_key(each) for each in choices}) < len(choices):
        raise Invalid("choices: each must be listed once, whatever its case", field="choices")


async def _refit(tx: Connection, field: ItemField, changed: ItemField, *, force: bool) -> list[_Value]:
    """Stores the values of a field as its changed form has them; returns those that were removed."""
    if changed.kind is field.kind and set(field.choices) <= set(changed.choices):
        return []
    values = await tx.all("list_field_values", _Value, field_id=field.id)
    if len(values) > MOST_VALUES:
        raise Conflict(
            f"More than {MOST_VALUES:,} items have a value of {field.name}, so its kind and its choices stay;"
            " add another field instead"
        )
    fitting, lost = [], []
    for each in values:
        if _fitting(changed, each.value) is not None:
            fitting.append((each.item_id, changed, each.value))
        else:
            lost.append(each)
    if lost and not force:
        raise Conflict(
            f"{_items_have(len(lost))} a value of {field.name} that would not fit; send force=true to remove it",
            kind="in-use",
        )
    await tx.execute("remove_values_of_field", field_id=field.id, ids=[each.item_id for each in lost])
    await _store(tx, fitting)
    return lost


async def _remove(
    tx: Connection, item_type: ItemType, fields: Sequence[ItemField], by: Principal, *, force: bool
) -> None:
    count = await tx.value("count_items_with_values", ids=[field.id for field in fields])
    if count and not force:
        names = ", ".join(field.name for field in fields)
        raise Conflict(
            f"{_items_have(count)} a value of {names}; send force=true to remove the values, too", kind="in-use"
        )
    for field in fields:
        values = await tx.all("list_field_values", _Value, field_id=field.id)
        await tx.execute("remove_values_of_field", field_id=field.id, ids=[each.item_id for each in values])
        await tx.execute("remove_field", id=field.id)
        details = {"type": item_type.name, "name": field.name} | _listed(values)
        await audit.record(tx, by, "deleted", "item_field", field.id, details)


def _items_have(count: int) -> str:
    return "1 item has" if count == 1 else f"{count:,} items have"


def _listed(lost: Sequence[_Value]) -> dict[str, object]:
    """The removed values, for the audit log."""
    if not lost:
        return {}
    return {"items": len(lost), "values": {str(each.item_id): each.value for each in lost[:MOST_LISTED]}}


async def _place(tx: Connection, fields: Sequence[ItemField], field_id: int, position: int) -> None:
    """Puts a field at a position among the others of its type."""
    order = [field.id for field in fields if field.id != field_id]
    order.insert(position - 1, field_id)
    for number, each in enumerate(order, 1):
        await tx.execute("place_field", id=each, position=number)


async def _share(tx: Connection, *type_ids: int | None) -> list[Fields]:
    """The fields of each of these types, none for None, which nobody changes until the transaction ends."""
    wanted = {type_id for type_id in type_ids if type_id is not None}
    found = _by_type(await tx.all("share_fields", ItemField, type_ids=wanted)) if wanted else {}
    return [{} if type_id is None else found.get(type_id, {}) for type_id in type_ids]


def _by_type(fields: Iterable[ItemField]) -> dict[int, Fields]:
    found: dict[int, dict[str, ItemField]] = defaultdict(dict)
    for field in fields:
        found[field.type_id][name_key(field.name)] = field
    return dict(found)


def _by_key(fields: Iterable[ItemField]) -> Fields:
    return {name_key(field.name): field for field in fields}


def _keyed(values: Mapping[str, Value]) -> dict[str, Value]:
    return {name_key(name): value for name, value in values.items()}


def _united(choices: Sequence[str], others: Sequence[str]) -> list[str]:
    known = {name_key(each) for each in choices}
    return [*choices, *(each for each in others if name_key(each) not in known)]


def _fitting(field: ItemField, value: Value) -> str | None:
    """The text of a value of another field as it is stored in this one; None for one that does not fit."""
    try:
        return read_value(field, plain_text(value))
    except ValueError:
        return None


async def _set(
    tx: Connection, item_id: int, type_id: int | None, fields: Fields, values: Mapping[str, Value | None]
) -> None:
    removed, stored = [], []
    for name, value in values.items():
        field = fields.get(name_key(name))
        if field is None:
            if value is None or value == "":
                continue
            lacks = "the item has no type, and so no fields"
            if type_id is not None:
                lacks = f"its type has no such field; GET /api/v1/types/{type_id}/fields lists them"
            raise Invalid(f"fields.{name}: {lacks}", field=f"fields.{name}")
        try:
            text = read_value(field, value)
        except ValueError as error:
            raise Invalid(f"fields.{field.name}: {error}", field=f"fields.{field.name}") from None
        if text is None:
            removed.append(field.id)
        else:
            stored.append((item_id, field, text))
    if removed:
        await tx.execute("remove_field_values", item_id=item_id, ids=removed)
    await _store(tx, stored)


async def _store(tx: Connection, values: Sequence[tuple[int, ItemField, str]]) -> None:
    rows = []
    for item_id, field, value in values:
        text = read_value(field, value)
        assert text is not None
        rows.append((item_id, field.id, text, value_key(field.kind, text)))
    if rows:
        await tx.execute_many("set_field_value", rows)
