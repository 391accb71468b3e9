-- Plans of moves that put like with like and empty boxes; each is applied once at most.
-- depends: 0010.barcode-keys

CREATE TABLE reorg_plan (
    id          INTEGER PRIMARY KEY,
    status      TEXT NOT NULL CHECK (status IN ('computing', 'proposed', 'applied', 'discarded', 'failed')),
    max_moves   BIGINT NOT NULL CHECK (max_moves BETWEEN 1 AND 1000),
    has_more    BOOLEAN NOT NULL DEFAULT FALSE,
    freed_boxes TEXT NOT NULL DEFAULT '[]',
    created_by  BIGINT REFERENCES user_account (id),
    created_at  TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    applied_by  BIGINT REFERENCES user_account (id),
    applied_at  TIMESTAMPTZ,
    batch_id    TEXT
);

-- One lot that goes from one place to another. Lots of one item that go together are one step; moved_milli says what
-- was there when the plan was applied.
CREATE TABLE reorg_move (
    id               INTEGER PRIMARY KEY,
    plan_id          BIGINT NOT NULL REFERENCES reorg_plan (id) ON DELETE CASCADE,
    step             BIGINT NOT NULL,
    item_id          BIGINT NOT NULL REFERENCES item (id),
    from_location_id BIGINT NOT NULL REFERENCES location (id),
    to_location_id   BIGINT NOT NULL REFERENCES location (id),
    expiry_date      DATE,
    quantity_milli   BIGINT NOT NULL CHECK (quantity_milli > 0),
    unit             TEXT NOT NULL,
    reason           TEXT NOT NULL,
    moved_milli      BIGINT,
    CONSTRAINT reorg_move__no_nul CHECK (length(unit || reason || '.') = length(unit) + length(reason) + 1)
);
CREATE INDEX reorg_move_by_plan ON reorg_move (plan_id, id);
