-- Lending: a location of the kind person holds what is lent, and each arrival there has a row with its due date.
-- depends: 0031.prices

ALTER TABLE location ADD COLUMN kind TEXT NOT NULL DEFAULT 'place'
    CONSTRAINT location__kind CHECK (kind IN ('place', 'person') AND (kind = 'place' OR box_no IS NULL));
CREATE INDEX location_person ON location (id) WHERE kind = 'person';

-- What an event brought to a person. How much of it is still there is not stored: the view loan_detail has it from the
-- stock, until the event `ended_by`, after which nothing was; an undo of what took it opens the loan again. Merging items
-- and opening stock move it to another SKU at the person, which a row that `continues_id` has.
CREATE TABLE loan (
    id               INTEGER PRIMARY KEY,
    event_id         BIGINT NOT NULL REFERENCES stock_event (id),
    sku_id           BIGINT NOT NULL REFERENCES sku (id),
    quantity_milli   BIGINT NOT NULL CHECK (quantity_milli > 0),
    from_location_id BIGINT REFERENCES location (id),
    due_on           DATE,
    note             TEXT NOT NULL DEFAULT '' CHECK (length(note) <= 1000),
    continues_id     BIGINT REFERENCES loan (id) CONSTRAINT loan__not_itself CHECK (continues_id < id),
    ended_by         BIGINT REFERENCES stock_event (id),
    lent_at          TIMESTAMPTZ NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL,
    CONSTRAINT loan__no_nul CHECK (length(note || '.') = length(note) + 1)
);
CREATE INDEX loan_by_sku ON loan (sku_id, ended_by, id);
CREATE INDEX loan_by_event ON loan (event_id);
CREATE INDEX loan_by_continued ON loan (continues_id) WHERE continues_id IS NOT NULL;
CREATE INDEX loan_by_due_date ON loan (due_on) WHERE due_on IS NOT NULL AND ended_by IS NULL;

-- The events that took from a person what a loan had brought; of other ones the oldest loan counts as returned first.
CREATE TABLE loan_return (
    event_id BIGINT NOT NULL REFERENCES stock_event (id) PRIMARY KEY,
    loan_id  BIGINT NOT NULL REFERENCES loan (id)
);
CREATE INDEX loan_return_by_loan ON loan_return (loan_id);

-- A loan with what of it was neither undone nor returned by name. Views are dumped in the order of their names.
CREATE VIEW loan_claim AS
SELECT loan.id, loan.event_id, loan.sku_id, loan.quantity_milli, loan.from_location_id, loan.due_on, loan.note,
       loan.continues_id, loan.ended_by, loan.lent_at, loan.created_at, loan.updated_at,
       EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = loan.event_id) AS is_undone,
       CASE WHEN EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = loan.event_id) THEN 0
            ELSE loan.quantity_milli + coalesce((
                SELECT CAST(sum(CASE WHEN event.delta_milli < 0 THEN event.delta_milli ELSE 0 END) AS BIGINT)
                  FROM loan_return JOIN stock_event AS event ON event.id = loan_return.event_id
                 WHERE loan_return.loan_id = loan.id
                   AND NOT EXISTS (SELECT 1 FROM stock_event AS reversal WHERE reversal.reverses_id = event.id)), 0)
            END AS claim_milli
  FROM loan;

-- A loan with what of it is still at the person: the stock there belongs to the newest loans of the SKU that have not
-- ended, so that this can never be more than the stock.
CREATE VIEW loan_detail AS
SELECT part.id, part.event_id, part.sku_id, part.quantity_milli, part.from_location_id, part.due_on, part.note,
       part.continues_id, part.ended_by, part.lent_at, part.created_at, part.updated_at, part.is_undone, part.item_id, part.person_id,
       part.unit, part.expiry_date, part.lot, part.serial,
       CASE WHEN part.left_milli <= 0 OR part.claim_milli <= 0 THEN 0
            WHEN part.left_milli < part.claim_milli THEN part.left_milli
            ELSE part.claim_milli END AS outstanding_milli
  FROM (SELECT claim.id, claim.event_id, claim.sku_id, claim.quantity_milli, claim.from_location_id, claim.due_on,
               claim.note, claim.continues_id, claim.ended_by, claim.lent_at, claim.created_at, claim.updated_at,
               claim.is_undone, claim.claim_milli, sku.item_id, sku.location_id AS person_id, sku.unit, sku.expiry_date, sku.lot,
               sku.serial,
               CASE WHEN claim.ended_by IS NOT NULL OR sku.quantity_milli <= 0
                      OR sku.location_id NOT IN (SELECT person.id FROM location AS person
                                                  WHERE person.kind = 'person') THEN 0
                    ELSE sku.quantity_milli - coalesce((
                        SELECT CAST(sum(newer.claim_milli) AS BIGINT) FROM loan_claim AS newer
                         WHERE newer.sku_id = claim.sku_id AND newer.ended_by IS NULL AND newer.id > claim.id
                           AND newer.claim_milli > 0), 0)
                    END AS left_milli
          FROM loan_claim AS claim JOIN sku ON sku.id = claim.sku_id) AS part;

-- What there is of an item. What is lent belongs to its total, and cannot be removed where no location is named: it is
-- not in `removable_milli`.
DROP VIEW item_amount;
CREATE VIEW item_amount AS
SELECT item.id AS item_id,
       (SELECT sku.unit FROM sku WHERE sku.item_id = item.id ORDER BY sku.is_active DESC, sku.id LIMIT 1) AS unit,
       (SELECT CASE WHEN count(*) = 0 THEN 0.0
                    WHEN min(sku.unit) = max(sku.unit) THEN
                        sum(CAST(sku.quantity_milli AS DOUBLE PRECISION))
                    ELSE (SELECT coalesce(round(CAST(sum(
                                 CASE WHEN coalesce(own.size, 0) = coalesce(goal.size, 0)
                                      THEN CAST(lot.quantity_milli AS DOUBLE PRECISION)
                                      ELSE CAST(lot.quantity_milli AS DOUBLE PRECISION)
                                           * coalesce(own.size, pack.size) / coalesce(goal.size, pack.size) END
                                 ) AS NUMERIC)), 0.0)
                            FROM (SELECT first.unit FROM sku AS first
                                   WHERE first.item_id = item.id AND first.is_active
                                   ORDER BY first.id LIMIT 1) AS main
                           CROSS JOIN (SELECT CASE WHEN count(DISTINCT barcode.pack_milli) = 1
                                                   THEN min(barcode.pack_milli) END AS size
                                         FROM barcode
                                        WHERE barcode.item_id = item.id AND barcode.pack_milli <> 1000) AS pack
                            JOIN sku AS lot ON lot.item_id = item.id AND lot.is_active
                            LEFT JOIN counting_unit AS own ON own.name = lower(trim(lot.unit))
                            LEFT JOIN counting_unit AS goal ON goal.name = lower(trim(main.unit))
                           WHERE own.kind = goal.kind OR lower(trim(lot.unit)) = lower(trim(main.unit))) END
          FROM sku WHERE sku.item_id = item.id AND sku.is_active) AS total_milli,
       (SELECT CASE WHEN count(*) = 0 THEN 0.0
                    WHEN min(sku.unit) = max(sku.unit) THEN
                        sum(CASE WHEN sku.quantity_milli > 0
                                   AND sku.location_id NOT IN (SELECT person.id FROM location AS person
                                                                WHERE person.kind = 'person')
                             THEN CAST(sku.quantity_milli AS DOUBLE PRECISION) ELSE 0.0 END)
                    ELSE (SELECT coalesce(round(CAST(sum(
                                 CASE WHEN coalesce(own.size, 0) = coalesce(goal.size, 0)
                                      THEN CAST(lot.quantity_milli AS DOUBLE PRECISION)
                                      ELSE CAST(lot.quantity_milli AS DOUBLE PRECISION)
                                           * coalesce(own.size, pack.size) / coalesce(goal.size, pack.size) END
                                 ) AS NUMERIC)), 0.0)
                            FROM (SELECT first.unit FROM sku AS first
                                   WHERE first.item_id = item.id AND first.is_active
                                   ORDER BY first.id LIMIT 1) AS main
                           CROSS JOIN (SELECT CASE WHEN count(DISTINCT barcode.pack_milli) = 1
                                                   THEN min(barcode.pack_milli) END AS size
                                         FROM barcode
                                        WHERE barcode.item_id = item.id AND barcode.pack_milli <> 1000) AS pack
                            JOIN sku AS lot ON lot.item_id = item.id AND lot.is_active AND lot.quantity_milli > 0
                             AND lot.location_id NOT IN (SELECT person.id FROM location AS person
                                                          WHERE person.kind = 'person')
                            LEFT JOIN counting_unit AS own ON own.name = lower(trim(lot.unit))
                            LEFT JOIN counting_unit AS goal ON goal.name = lower(trim(main.unit))
                           WHERE own.kind = goal.kind OR lower(trim(lot.unit)) = lower(trim(main.unit))) END
          FROM sku WHERE sku.item_id = item.id AND sku.is_active) AS removable_milli
  FROM item;
