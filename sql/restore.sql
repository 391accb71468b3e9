-- Revocations in the replaced data that a restore applies to the restored data.

-- list_inactive_usernames --
-- The users who are inactive now.
SELECT lower(username) AS name
  FROM user_account
 WHERE NOT is_active;

-- list_revoked_keys --
-- The API keys that are revoked now, by hash.
SELECT key_hash AS name
  FROM api_key
 WHERE revoked_at IS NOT NULL;

-- count_events --
-- The number of ledger rows, to compare with the backup made just before.
SELECT count(*) AS count
  FROM stock_event;

-- keep_inactive --
-- Deactivates restored users who were inactive (:usernames is a JSON array).
UPDATE user_account
   SET is_active = FALSE, updated_at = :moment
 WHERE is_active AND lower(username) IN (SELECT value FROM json_each(:usernames))
RETURNING username AS name;

-- keep_revoked --
-- Revokes restored API keys that were revoked (:hashes is a JSON array).
UPDATE api_key
   SET revoked_at = :moment
 WHERE revoked_at IS NULL AND key_hash IN (SELECT value FROM json_each(:hashes))
RETURNING name || ' (' || prefix || ')' AS name;

-- list_sending_webhooks --
-- The active webhooks, by secret and URL.
SELECT secret || ' ' || url AS name
  FROM webhook
 WHERE is_active;

-- keep_webhooks_silent --
-- Deactivates restored webhooks that were not active (:sending is a JSON array).
UPDATE webhook
   SET is_active = FALSE, updated_at = :moment,
       inactive_reason = 'restored from a backup and not active here before; make it active to enable it'
 WHERE is_active AND secret || ' ' || url NOT IN (SELECT value FROM json_each(:sending))
RETURNING id;

-- list_sending_channels --
-- The active channels of notices, by their target.
SELECT kind || ' ' || target AS name
  FROM notice_channel
 WHERE is_active;

-- keep_channels_silent --
-- Deactivates restored channels of notices that were not active (:sending is a JSON array).
UPDATE notice_channel
   SET is_active = FALSE, updated_at = :moment,
       inactive_reason = 'restored from a backup and not active here before; make it active to enable it'
 WHERE is_active AND kind || ' ' || target NOT IN (SELECT value FROM json_each(:sending))
RETURNING id;

-- raise_auth_revision_above --
-- Makes every process read accounts and keys again.
UPDATE auth_revision
   SET revision = revision + :current + 1;

-- count_active_admins --
-- The admins who can administer the restored data.
SELECT count(*) AS count
  FROM user_account
 WHERE role = 'admin' AND is_active;
