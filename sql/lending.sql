-- What is lent: the arrivals at locations of the kind person. The view `loan_detail` has what of each is still there.

-- add_loans --
-- Adds what an event brought to a person.
INSERT INTO loan (event_id, sku_id, quantity_milli, from_location_id, due_on, note, continues_id, lent_at, created_at,
                  updated_at)
VALUES (:event_id, :sku_id, :quantity_milli, :from_location_id, :due_on, :note, :continues_id, :lent_at, :created_at,
        :created_at);

-- add_loan_returns --
-- Notes which loan an event returned from.
INSERT INTO loan_return (event_id, loan_id)
VALUES (:event_id, :loan_id);

-- list_loan_claims --
-- The loans of a SKU that have not ended, oldest first, each with what of it was neither undone nor returned by name.
SELECT id, from_location_id, due_on, note, lent_at, claim_milli
  FROM loan_claim
 WHERE sku_id = :sku_id AND ended_by IS NULL
 ORDER BY id;

-- list_claims_before --
-- The loans of a SKU that were open before the event :event_id and have ended since, newest first.
SELECT id, from_location_id, due_on, note, lent_at, claim_milli
  FROM loan_claim
 WHERE sku_id = :sku_id AND ended_by >= :event_id AND event_id < :event_id AND claim_milli > 0
 ORDER BY id DESC;

-- end_loans --
-- Notes of the loans :ids after which event nothing of them was outstanding; NULL opens them again.
UPDATE loan
   SET ended_by = :event_id
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- end_loans_at --
-- Ends the loans at an empty location, which is to be a person no longer.
UPDATE loan
   SET ended_by = (SELECT max(event.id) FROM stock_event AS event WHERE event.sku_id = loan.sku_id)
 WHERE ended_by IS NULL
   AND sku_id IN (SELECT sku.id FROM sku WHERE sku.location_id = :location_id);

-- list_loans --
-- Loans in the order of their due dates, those without one last; all other filters optional. :is_open FALSE is for what
-- was returned: without what was undone, or goes on in a loan of another SKU.
SELECT loan.id, loan.item_id, item.name AS item_name, item.code AS item_code, loan.person_id,
       person.path AS person_path, loan.from_location_id, source.path AS from_path, loan.sku_id, loan.expiry_date,
       loan.lot, loan.serial, CAST(loan.quantity_milli AS DOUBLE PRECISION) / 1000 AS quantity,
       CAST(loan.outstanding_milli AS DOUBLE PRECISION) / 1000 AS outstanding, loan.unit, loan.due_on,
       loan.outstanding_milli > 0 AND coalesce(loan.due_on < :today, FALSE) AS is_overdue, loan.note, loan.lent_at,
       loan.event_id AS stock_event_id, loan.updated_at
  FROM loan_detail AS loan
  JOIN item ON item.id = loan.item_id
  JOIN location AS person ON person.id = loan.person_id
  LEFT JOIN location AS source ON source.id = loan.from_location_id
 WHERE (CAST(:person_id AS BIGINT) IS NULL OR loan.person_id = :person_id)
   AND (CAST(:item_id AS BIGINT) IS NULL OR loan.item_id = :item_id)
   AND (NOT :overdue OR loan.due_on < :today)
   AND NOT loan.is_undone
   AND (loan.ended_by IS NULL) = :is_open
   AND (:is_open
        OR NOT EXISTS (SELECT 1 FROM loan_claim AS next WHERE next.continues_id = loan.id AND NOT next.is_undone))
   -- What an undo took back from where a merge had moved it.
   AND (loan.continues_id IS NULL
        OR NOT EXISTS (WITH RECURSIVE before (continues_id, is_undone) AS (
                           SELECT first.continues_id, first.is_undone
                             FROM loan_claim AS first WHERE first.id = loan.continues_id
                           UNION ALL
                           SELECT earlier.continues_id, earlier.is_undone
                             FROM before JOIN loan_claim AS earlier ON earlier.id = before.continues_id)
                       SELECT 1 FROM before WHERE before.is_undone))
 ORDER BY /* sort: id = loan.id; due_on = loan.due_on NULLS LAST; lent_at = loan.lent_at;
             item_name = lower(item.name); person_path = lower(person.path); updated_at = loan.updated_at */
          loan.due_on NULLS LAST, loan.id
 LIMIT :limit OFFSET :skip;

-- list_loans_by_id --
-- The loans :ids, and those that the events :event_ids brought, in the order they were added.
SELECT loan.id, loan.item_id, item.name AS item_name, item.code AS item_code, loan.person_id,
       person.path AS person_path, loan.from_location_id, source.path AS from_path, loan.sku_id, loan.expiry_date,
       loan.lot, loan.serial, CAST(loan.quantity_milli AS DOUBLE PRECISION) / 1000 AS quantity,
       CAST(loan.outstanding_milli AS DOUBLE PRECISION) / 1000 AS outstanding, loan.unit, loan.due_on,
       loan.outstanding_milli > 0 AND coalesce(loan.due_on < :today, FALSE) AS is_overdue, loan.note, loan.lent_at,
       loan.event_id AS stock_event_id, loan.updated_at
  FROM loan_detail AS loan
  JOIN item ON item.id = loan.item_id
  JOIN location AS person ON person.id = loan.person_id
  LEFT JOIN location AS source ON source.id = loan.from_location_id
 WHERE loan.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
    OR loan.event_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:event_ids AS TEXT)))
 ORDER BY loan.id;

-- change_loan --
-- Changes a loan, and those that it continues: they go on if that is undone.
WITH RECURSIVE before (id, continues_id) AS (
    SELECT id, continues_id FROM loan WHERE id = :id
     UNION
    SELECT loan.id, loan.continues_id FROM before JOIN loan ON loan.id = before.continues_id
)
UPDATE loan
   SET due_on = :due_on, note = :note, updated_at = :updated_at
 WHERE id IN (SELECT before.id FROM before);

-- list_items_due --
-- Items after :after with an open loan whose due date is before :today, up to :limit.
SELECT DISTINCT sku.item_id AS id
  FROM loan
  JOIN sku ON sku.id = loan.sku_id
 WHERE loan.ended_by IS NULL AND loan.due_on < :today AND sku.item_id > :after
 ORDER BY sku.item_id
 LIMIT :limit;

-- list_loan_faults --
-- Loans and returns that contradict the ledger.
SELECT message
  FROM (SELECT 'loan ' || CAST(loan.id AS TEXT) || ' names another SKU than its event' AS message
          FROM loan JOIN stock_event AS event ON event.id = loan.event_id
         WHERE event.sku_id <> loan.sku_id
        UNION ALL
        SELECT 'the loans of event ' || CAST(event.id AS TEXT) || ' are more than it brought'
          FROM loan JOIN stock_event AS event ON event.id = loan.event_id
         GROUP BY event.id, event.delta_milli
        HAVING sum(loan.quantity_milli) > event.delta_milli
        UNION ALL
        SELECT 'event ' || CAST(event.id AS TEXT) || ' returns a loan of another SKU'
          FROM loan_return
          JOIN stock_event AS event ON event.id = loan_return.event_id
          JOIN loan ON loan.id = loan_return.loan_id
         WHERE event.sku_id <> loan.sku_id
        UNION ALL
        SELECT 'loan ' || CAST(loan.id AS TEXT) || ' was ended by an event of another SKU'
          FROM loan JOIN stock_event AS event ON event.id = loan.ended_by
         WHERE event.sku_id <> loan.sku_id
        UNION ALL
        SELECT 'loan ' || CAST(loan.id AS TEXT) || ' is open at a location that is no person'
          FROM loan JOIN sku ON sku.id = loan.sku_id JOIN location ON location.id = sku.location_id
         WHERE loan.ended_by IS NULL AND location.kind <> 'person') AS fault
 LIMIT :limit;
