-- Shopping lists with their change log, and projects with what they need and took from stock.
-- depends: 0005.parts

CREATE TABLE shopping_list (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    is_public  BOOLEAN NOT NULL DEFAULT FALSE,
    is_active  BOOLEAN NOT NULL DEFAULT TRUE,
    creator_id BIGINT NOT NULL REFERENCES user_account (id),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT shopping_list__no_nul CHECK (length(name || '.') = length(name) + 1)
);
CREATE INDEX shopping_list_by_creator ON shopping_list (creator_id);

-- An item, or a text that stands for what is no item; each once on a list.
CREATE TABLE shopping_list_entry (
    id             INTEGER PRIMARY KEY,
    list_id        BIGINT NOT NULL REFERENCES shopping_list (id),
    item_id        BIGINT REFERENCES item (id),
    text           TEXT CHECK (length(text) BETWEEN 1 AND 200),
    quantity_milli BIGINT NOT NULL CHECK (quantity_milli > 0),
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    CONSTRAINT shopping_list_entry__either CHECK ((item_id IS NULL) <> (text IS NULL)),
    CONSTRAINT shopping_list_entry__no_nul CHECK (length(coalesce(text, '') || '.') = length(coalesce(text, '')) + 1)
);
CREATE UNIQUE INDEX shopping_list_entry__list_id__item_id ON shopping_list_entry (list_id, item_id);
CREATE UNIQUE INDEX shopping_list_entry__list_id__text ON shopping_list_entry (list_id, text);
CREATE INDEX shopping_list_entry_by_item ON shopping_list_entry (item_id);

CREATE TABLE shopping_list_log (
    id          INTEGER PRIMARY KEY,
    list_id     BIGINT NOT NULL REFERENCES shopping_list (id),
    action_type TEXT NOT NULL CHECK (action_type IN ('created', 'updated', 'deleted', 'item_added', 'item_updated',
                                                     'item_removed', 'duplicated')),
    user_id     BIGINT NOT NULL REFERENCES user_account (id),
    details     TEXT NOT NULL DEFAULT '{}',
    recorded_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT shopping_list_log__no_nul CHECK (length(details || '.') = length(details) + 1)
);
CREATE INDEX shopping_list_log_by_list ON shopping_list_log (list_id, id);

CREATE TABLE project (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    notes      TEXT NOT NULL DEFAULT '' CHECK (length(notes) <= 10000),
    is_active  BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT project__no_nul CHECK (length(name || notes || '.') = length(name) + length(notes) + 1)
);

-- What one project needs: an item, or a text that stands for what is no item; each once.
CREATE TABLE project_entry (
    id             INTEGER PRIMARY KEY,
    project_id     BIGINT NOT NULL REFERENCES project (id),
    item_id        BIGINT REFERENCES item (id),
    text           TEXT CHECK (length(text) BETWEEN 1 AND 200),
    quantity_milli BIGINT NOT NULL CHECK (quantity_milli > 0),
    created_at     TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL,
    CONSTRAINT project_entry__either CHECK ((item_id IS NULL) <> (text IS NULL)),
    CONSTRAINT project_entry__no_nul CHECK (length(coalesce(text, '') || '.') = length(coalesce(text, '')) + 1)
);
CREATE UNIQUE INDEX project_entry__project_id__item_id ON project_entry (project_id, item_id);
CREATE UNIQUE INDEX project_entry__project_id__text ON project_entry (project_id, text);
CREATE INDEX project_entry_by_item ON project_entry (item_id);

-- When a project took what it needs from stock: the ledger has it under this batch_id, and says whether it was undone.
CREATE TABLE project_withdrawal (
    id          INTEGER PRIMARY KEY,
    project_id  BIGINT NOT NULL REFERENCES project (id),
    batch_id    TEXT NOT NULL,
    user_id     BIGINT NOT NULL REFERENCES user_account (id),
    recorded_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX project_withdrawal__batch_id ON project_withdrawal (batch_id);
CREATE INDEX project_withdrawal_by_project ON project_withdrawal (project_id, id);
