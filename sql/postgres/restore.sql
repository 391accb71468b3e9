-- Names of users are compared as the unique index does: in any case, of ASCII only, as SQLite does.

-- list_inactive_usernames --
-- Who may not come in now.
SELECT lower(username COLLATE "C") AS name
  FROM user_account
 WHERE NOT is_active;

-- keep_inactive --
-- Of the restored users, those who stay out (:usernames is a JSON array).
UPDATE user_account
   SET is_active = FALSE, updated_at = :moment
 WHERE is_active AND lower(username COLLATE "C") IN (SELECT value FROM json_each(:usernames))
RETURNING username AS name;
