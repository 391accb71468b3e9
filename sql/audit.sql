-- The audit trail.

-- add_audit_entry --
-- Adds an entry.
INSERT INTO audit_entry (occurred_at, user_id, action, subject, subject_id, details, request_id)
VALUES (:occurred_at, :user_id, :action, :subject, :subject_id, :details, :request_id);

-- list_audit_entries --
-- Newest first; all filters except the times are optional.
SELECT id, occurred_at, user_id, action, subject, subject_id, details AS details_json, request_id
  FROM audit_entry
 WHERE (CAST(:user_id AS BIGINT) IS NULL OR user_id = :user_id)
   AND (CAST(:action AS TEXT) IS NULL OR action = :action)
   AND (CAST(:subject AS TEXT) IS NULL OR subject = :subject)
   AND (CAST(:subject_id AS TEXT) IS NULL OR subject_id = :subject_id)
   AND occurred_at >= :since
   AND occurred_at < :until
 ORDER BY /* sort: id; occurred_at; action; subject; user_id = user_id NULLS LAST */ id DESC
 LIMIT :limit OFFSET :skip;
