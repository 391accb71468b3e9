-- What was paid for stock: a price belongs to the event that booked the stock, or was recorded without one.
-- depends: 0030.custom-fields

-- `price_micro` is in millionths of the currency, for `per_milli` thousandths of `unit`. A price without a SKU is that of
-- the item's stock without a lot. One whose event is undone does not count.
CREATE TABLE price (
    id          INTEGER PRIMARY KEY,
    item_id     BIGINT NOT NULL REFERENCES item (id),
    sku_id      BIGINT REFERENCES sku (id),
    event_id    BIGINT REFERENCES stock_event (id),
    price_micro BIGINT NOT NULL CHECK (price_micro BETWEEN 0 AND 1000000000000000),
    per_milli   BIGINT NOT NULL DEFAULT 1000 CHECK (per_milli > 0),
    unit        TEXT NOT NULL CHECK (length(unit) BETWEEN 1 AND 50),
    seller      TEXT NOT NULL DEFAULT '' CHECK (length(seller) <= 200),
    paid_at     TIMESTAMPTZ NOT NULL,
    user_id     BIGINT REFERENCES user_account (id),
    version     BIGINT NOT NULL DEFAULT 1,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL,
    CONSTRAINT price__no_nul CHECK (length(unit || seller || '.') = length(unit) + length(seller) + 1)
);
CREATE UNIQUE INDEX price__event_id ON price (event_id) WHERE event_id IS NOT NULL;
CREATE INDEX price_by_item ON price (item_id, paid_at);
