-- The fields that a person gives a type of items, and the values that items have in them.
-- depends: 0029.shelf-life

-- `unit` is that of a number; `choices` is a list in JSON.
CREATE TABLE item_field (
    id         INTEGER PRIMARY KEY,
    type_id    BIGINT NOT NULL REFERENCES item_type (id),
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    name_key   TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('text', 'number', 'choice', 'date')),
    unit       TEXT NOT NULL DEFAULT '' CHECK (length(unit) <= 50),
    choices    TEXT NOT NULL DEFAULT '[]',
    position   BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT item_field__no_nul
        CHECK (length(name || unit || choices || '.') = length(name) + length(unit) + length(choices) + 1)
);
CREATE UNIQUE INDEX item_field__type_id__name_key ON item_field (type_id, name_key);

-- `value_key` is equal for values that count as one, and sorts as the values do: of a number and a date it is made of
-- digits only, which every collation sorts alike (stocky/catalogue/fields.py). An item that gets another type keeps the
-- values of the fields of its old type, which show only while it has that type.
CREATE TABLE item_field_value (
    item_id   BIGINT NOT NULL REFERENCES item (id),
    field_id  BIGINT NOT NULL REFERENCES item_field (id),
    value     TEXT NOT NULL CHECK (length(value) BETWEEN 1 AND 500),
    value_key TEXT NOT NULL CHECK (length(value_key) <= 500),
    PRIMARY KEY (item_id, field_id),
    CONSTRAINT item_field_value__no_nul CHECK (length(value || '.') = length(value) + 1)
);
CREATE INDEX item_field_value_by_key ON item_field_value (field_id, value_key);

CREATE TRIGGER item_field_value_added_is_searched AFTER INSERT ON item_field_value
BEGIN
    INSERT INTO search_pending (item_id) VALUES (NEW.item_id);
END;
CREATE TRIGGER item_field_value_changed_is_searched AFTER UPDATE ON item_field_value
BEGIN
    INSERT INTO search_pending (item_id) VALUES (NEW.item_id);
END;
CREATE TRIGGER item_field_value_removed_is_searched AFTER DELETE ON item_field_value
BEGIN
    INSERT INTO search_pending (item_id) VALUES (OLD.item_id);
END;

-- The values of an item as they are answered, by name, and its texts and choices, which the search finds. Only the JSON
-- functions differ between the dialects. A number that is none, as of a dump that was written by hand, is a text.
CREATE VIEW fields_of_item AS
SELECT item.id AS item_id,
       coalesce((SELECT json_group_object(v.name, CASE WHEN v.is_number THEN json(v.value) ELSE v.value END)
              FROM (SELECT item_field.name, item_field_value.value,
                           item_field.kind = 'number' AND item_field_value.value NOT GLOB '*[^-.0-9]*'
                               AND json_valid(item_field_value.value)
                               AS is_number
                      FROM item_field_value JOIN item_field ON item_field.id = item_field_value.field_id
                     WHERE item_field_value.item_id = item.id AND item_field.type_id = item.type_id
                     ORDER BY item_field.position, item_field.id) AS v), '{}') AS fields_json,
       coalesce((SELECT json_group_array(v.value)
              FROM (SELECT item_field_value.value
                      FROM item_field_value JOIN item_field ON item_field.id = item_field_value.field_id
                     WHERE item_field_value.item_id = item.id AND item_field.type_id = item.type_id
                       AND item_field.kind IN ('text', 'choice')
                     ORDER BY item_field.position, item_field.id) AS v), '[]') AS texts_json
  FROM item;
