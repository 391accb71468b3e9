-- Usernames are compared like in the unique index: ignoring case of ASCII letters only, as SQLite does.

-- list_inactive_usernames --
-- The users who are inactive now.
SELECT lower(username COLLATE "C") AS name
  FROM user_account
 WHERE NOT is_active;

-- keep_inactive --
-- Deactivates restored users who were inactive (:usernames is a JSON array).
UPDATE user_account
   SET is_active = FALSE, updated_at = :moment
 WHERE is_active AND lower(username COLLATE "C") IN (SELECT value FROM json_each(:usernames))
RETURNING username AS name;
