-- What a restore keeps of the data it replaces: what was taken from someone stays taken.

-- list_inactive_usernames --
-- Who may not come in now.
SELECT lower(username) AS name
  FROM user_account
 WHERE NOT is_active;

-- list_revoked_keys --
-- API keys that are revoked now, by their hash.
SELECT key_hash AS name
  FROM api_key
 WHERE revoked_at IS NOT NULL;

-- count_events --
-- How long the ledger is, to be compared with the backup that was made just before.
SELECT count(*) AS count
  FROM stock_event;

-- keep_inactive --
-- Of the restored users, those who stay out (:usernames is a JSON array).
UPDATE user_account
   SET is_active = FALSE, updated_at = :moment
 WHERE is_active AND lower(username) IN (SELECT value FROM json_each(:usernames))
RETURNING username AS name;

-- keep_revoked --
-- Of the restored API keys, those that stay revoked (:hashes is a JSON array).
UPDATE api_key
   SET revoked_at = :moment
 WHERE revoked_at IS NULL AND key_hash IN (SELECT value FROM json_each(:hashes))
RETURNING name || ' (' || prefix || ')' AS name;

-- list_sending_webhooks --
-- Where something is sent now, and what it is signed with.
SELECT secret || ' ' || url AS name
  FROM webhook
 WHERE is_active;

-- keep_webhooks_silent --
-- Of the restored webhooks, those that are sent nothing now (:sending is a JSON array) are sent nothing.
UPDATE webhook
   SET is_active = FALSE, updated_at = :moment,
       inactive_reason = 'it came with a backup and was not active here; make it active if it is to be told'
 WHERE is_active AND secret || ' ' || url NOT IN (SELECT value FROM json_each(:sending))
RETURNING id;

-- raise_auth_revision_above --
-- Whatever a process knows about who may do what, it looks again.
UPDATE auth_revision
   SET revision = revision + :current + 1;

-- count_active_admins --
-- Who could look after it.
SELECT count(*) AS count
  FROM user_account
 WHERE role = 'admin' AND is_active;
