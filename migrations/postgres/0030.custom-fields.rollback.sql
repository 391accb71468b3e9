DROP VIEW fields_of_item;
DROP TABLE item_field_value;
DROP TABLE item_field;
