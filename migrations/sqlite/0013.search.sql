-- The search's index: the words of each item, folded in Python, and which items have changed since they were.
-- depends: 0012.causes

-- The words of an item, one line for each field that is searched (see stocky/search/folding.py); `name` is the line of
-- its name. Nothing refers to it and it refers to nothing: it is made anew from the items wherever it is missing.
CREATE TABLE search_text (
    item_id INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    text    TEXT NOT NULL
);
CREATE INDEX search_text_by_name ON search_text (name);

-- Items whose words have changed, marked by triggers in the transaction of the change. Item 0 means all that have none.
CREATE TABLE search_pending (
    id      INTEGER PRIMARY KEY,
    item_id BIGINT NOT NULL
);
INSERT INTO search_pending (item_id) VALUES (0);

-- The index itself and what keeps it in step are in no backup; sql/sqlite/search.sql makes them where they are missing.
CREATE VIRTUAL TABLE search_index USING fts5 (
    text, content = 'search_text', content_rowid = 'item_id', tokenize = 'trigram'
);
CREATE TRIGGER search_index_takes_in AFTER INSERT ON search_text
BEGIN
    INSERT INTO search_index (rowid, text) VALUES (NEW.item_id, NEW.text);
END;
CREATE TRIGGER search_index_lets_go AFTER DELETE ON search_text
BEGIN
    INSERT INTO search_index (search_index, rowid, text) VALUES ('delete', OLD.item_id, OLD.text);
END;

CREATE TRIGGER item_added_is_searched AFTER INSERT ON item
BEGIN
    INSERT INTO search_pending (item_id) VALUES (NEW.id);
END;
CREATE TRIGGER item_changed_is_searched
    AFTER UPDATE OF code, name, description, manufacturer_code, type_id, seller ON item
BEGIN
    INSERT INTO search_pending (item_id) VALUES (NEW.id);
END;
CREATE TRIGGER item_removed_is_searched AFTER DELETE ON item
BEGIN
    INSERT INTO search_pending (item_id) VALUES (OLD.id);
END;
CREATE TRIGGER barcode_added_is_searched AFTER INSERT ON barcode
BEGIN
    INSERT INTO search_pending (item_id) VALUES (NEW.item_id);
END;
CREATE TRIGGER barcode_changed_is_searched AFTER UPDATE OF code, item_id ON barcode
BEGIN
    INSERT INTO search_pending (item_id) VALUES (OLD.item_id), (NEW.item_id);
END;
CREATE TRIGGER barcode_removed_is_searched AFTER DELETE ON barcode
BEGIN
    INSERT INTO search_pending (item_id) VALUES (OLD.item_id);
END;
CREATE TRIGGER item_tag_added_is_searched AFTER INSERT ON item_tag
BEGIN
    INSERT INTO search_pending (item_id) VALUES (NEW.item_id);
END;
CREATE TRIGGER item_tag_removed_is_searched AFTER DELETE ON item_tag
BEGIN
    INSERT INTO search_pending (item_id) VALUES (OLD.item_id);
END;
CREATE TRIGGER document_added_is_searched AFTER INSERT ON document
BEGIN
    INSERT INTO search_pending (item_id) VALUES (NEW.item_id);
END;
CREATE TRIGGER document_changed_is_searched AFTER UPDATE OF name, item_id ON document
BEGIN
    INSERT INTO search_pending (item_id) VALUES (OLD.item_id), (NEW.item_id);
END;
CREATE TRIGGER document_removed_is_searched AFTER DELETE ON document
BEGIN
    INSERT INTO search_pending (item_id) VALUES (OLD.item_id);
END;
CREATE TRIGGER tag_renamed_is_searched AFTER UPDATE OF name ON tag
BEGIN
    INSERT INTO search_pending (item_id) SELECT item_id FROM item_tag WHERE tag_id = NEW.id;
END;
CREATE TRIGGER item_type_renamed_is_searched AFTER UPDATE OF name ON item_type
BEGIN
    INSERT INTO search_pending (item_id) SELECT id FROM item WHERE type_id = NEW.id;
END;
