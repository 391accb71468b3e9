-- Assistance: suggestions of a model about items, which a person accepts or rejects, and what was asked on each day.
-- depends: 0034.job-queue

-- `value` is the name of a tag or a type, a manufacturer's code, or the URL of a datasheet. One that was decided stays,
-- so that the same is not suggested again for its item. `decided_by` of an open datasheet is who wants it fetched.
CREATE TABLE suggestion (
    id         INTEGER PRIMARY KEY,
    item_id    BIGINT NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('tag', 'type', 'manufacturer_code', 'datasheet')),
    value      TEXT NOT NULL CHECK (length(value) BETWEEN 1 AND 1000),
    value_key  TEXT NOT NULL CHECK (length(value_key) BETWEEN 1 AND 1000),
    status     TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'accepted', 'rejected')),
    model      TEXT NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
    decided_by BIGINT REFERENCES user_account (id),
    decided_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT suggestion__no_nul
        CHECK (length(value || value_key || model || '.') = length(value) + length(value_key) + length(model) + 1)
);
CREATE UNIQUE INDEX suggestion__item_id__kind__value_key ON suggestion (item_id, kind, value_key);
CREATE INDEX suggestion_open ON suggestion (id) WHERE status = 'open';

-- Requests and tokens of a day, counted before a request is sent, so that processes together stay within the limits.
CREATE TABLE assistance_usage (
    day      DATE PRIMARY KEY NOT NULL,
    requests BIGINT NOT NULL,
    tokens   BIGINT NOT NULL
);
