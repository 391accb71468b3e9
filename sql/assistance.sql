-- Assistance: what a model suggested about items, what was decided, and what was asked on each day.

-- reserve_assistance --
-- Counts a request of a day and its tokens before it is sent; no row where that would exceed a limit.
INSERT INTO assistance_usage (day, requests, tokens)
VALUES (:day, 1, :tokens)
ON CONFLICT (day) DO UPDATE
   SET requests = assistance_usage.requests + 1, tokens = assistance_usage.tokens + :tokens
 WHERE assistance_usage.requests < :most_requests AND assistance_usage.tokens + :tokens <= :most_tokens
RETURNING requests;

-- settle_assistance --
-- Replaces the estimated tokens of a request by those it used: adds the difference.
UPDATE assistance_usage
   SET tokens = CASE WHEN tokens + :difference > 0 THEN tokens + :difference ELSE 0 END
 WHERE day = :day;

-- get_assistance_usage --
-- What was asked on a day.
SELECT requests, tokens
  FROM assistance_usage
 WHERE day = :day;

-- remove_old_assistance_usage --
-- Removes the counts of days before :before.
DELETE FROM assistance_usage
 WHERE day < :before;

-- list_common_types --
-- The names of the types with most items.
SELECT name
  FROM item_type
 ORDER BY (SELECT count(*) FROM item WHERE item.type_id = item_type.id) DESC, id
 LIMIT :limit;

-- list_common_tags --
-- The names of the tags with most items.
SELECT name
  FROM tag
 ORDER BY (SELECT count(*) FROM item_tag WHERE item_tag.tag_id = tag.id) DESC, id
 LIMIT :limit;

-- list_tags_by_key --
-- The tags with the keys :name_keys.
SELECT name, name_key
  FROM tag
 WHERE name_key IN (SELECT value FROM json_each(CAST(:name_keys AS TEXT)));

-- list_types_by_key --
-- The types with the keys :name_keys.
SELECT id, name, name_key
  FROM item_type
 WHERE name_key IN (SELECT value FROM json_each(CAST(:name_keys AS TEXT)));

-- add_suggestion --
-- Adds a suggestion, unless the item has had the same one.
INSERT INTO suggestion (item_id, kind, value, value_key, model, created_at)
VALUES (:item_id, :kind, :value, :value_key, :model, :created_at)
ON CONFLICT (item_id, kind, value_key) DO NOTHING;

-- get_suggestion --
-- One suggestion. The last job that fetched its datasheet is found by its parameters.
SELECT suggestion.id, suggestion.item_id, item.name AS item_name, item.version AS item_version, suggestion.kind,
       suggestion.value,
       CASE suggestion.kind WHEN 'type' THEN coalesce(item_type.name, '')
                            WHEN 'manufacturer_code' THEN item.manufacturer_code ELSE '' END AS replaces,
       suggestion.status, suggestion.model, coalesce(job.status IN ('queued', 'running'), FALSE) AS is_fetching,
       CASE WHEN job.status = 'failed' AND suggestion.status = 'open' THEN job.error END AS error,
       suggestion.created_at, suggestion.decided_at
  FROM suggestion
  JOIN item ON item.id = suggestion.item_id
  LEFT JOIN item_type ON item_type.id = item.type_id
  LEFT JOIN job ON job.id = (SELECT max(fetching.id) FROM job AS fetching
                              WHERE fetching.kind = 'assistance.fetch' AND suggestion.kind = 'datasheet'
                                AND fetching.parameters = '{"suggestion_id":' || suggestion.id || '}')
 WHERE suggestion.id = :id;

-- list_suggestions --
-- Suggestions in the order they were added; all filters optional. Without an item, only those of items in use.
SELECT suggestion.id, suggestion.item_id, item.name AS item_name, item.version AS item_version, suggestion.kind,
       suggestion.value,
       CASE suggestion.kind WHEN 'type' THEN coalesce(item_type.name, '')
                            WHEN 'manufacturer_code' THEN item.manufacturer_code ELSE '' END AS replaces,
       suggestion.status, suggestion.model, coalesce(job.status IN ('queued', 'running'), FALSE) AS is_fetching,
       CASE WHEN job.status = 'failed' AND suggestion.status = 'open' THEN job.error END AS error,
       suggestion.created_at, suggestion.decided_at
  FROM suggestion
  JOIN item ON item.id = suggestion.item_id
  LEFT JOIN item_type ON item_type.id = item.type_id
  LEFT JOIN job ON job.id = (SELECT max(fetching.id) FROM job AS fetching
                              WHERE fetching.kind = 'assistance.fetch' AND suggestion.kind = 'datasheet'
                                AND fetching.parameters = '{"suggestion_id":' || suggestion.id || '}')
 WHERE (CAST(:item_id AS BIGINT) IS NULL OR suggestion.item_id = :item_id)
   AND (CAST(:item_id AS BIGINT) IS NOT NULL OR item.is_active)
   AND (CAST(:status AS TEXT) IS NULL OR suggestion.status = :status)
 ORDER BY /* sort: id = suggestion.id; item_id = suggestion.item_id; item_name = lower(item.name);
             kind = suggestion.kind; created_at = suggestion.created_at;
             decided_at = suggestion.decided_at NULLS LAST */
          suggestion.id
 LIMIT :limit OFFSET :skip;

-- decide_suggestion --
-- Accepts or rejects an open suggestion.
UPDATE suggestion
   SET status = :status, decided_by = :decided_by, decided_at = :decided_at
 WHERE id = :id AND status = 'open';

-- want_datasheet --
-- Notes who wants an open datasheet fetched.
UPDATE suggestion
   SET decided_by = :decided_by
 WHERE id = :id AND status = 'open';

-- find_datasheet_order --
-- Who wants a datasheet fetched, and whether it is still open.
SELECT item_id, value AS url, status, decided_by
  FROM suggestion
 WHERE id = :id AND kind = 'datasheet';

-- find_last_assistance_job --
-- The newest job of a kind with these parameters.
SELECT max(id) AS id
  FROM job
 WHERE kind = :kind AND parameters = :parameters;

-- find_document_of_content --
-- A document of an item with this content.
SELECT id
  FROM document
 WHERE item_id = :item_id AND sha256 = :sha256
 ORDER BY id
 LIMIT 1;
