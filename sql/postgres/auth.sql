-- With concurrent writers, the rows that a decision depends on are locked.

-- find_user_named --
-- One user by name, ignoring case. The collation folds ASCII only, as SQLite does.
SELECT id, username, email, role, is_active, created_at, updated_at
  FROM user_account
 WHERE lower(username COLLATE "C") = lower(CAST(:username AS TEXT) COLLATE "C");

-- lock_active_admins --
-- The active admins, always in the same order, so that two concurrent changes cannot deadlock.
SELECT id
  FROM user_account
 WHERE role = 'admin' AND is_active
 ORDER BY id
   FOR NO KEY UPDATE;

-- add_sign_in --
-- A sign-in, unless the user's password or state changed while the password was verified.
INSERT INTO sign_in (id, user_id, is_remembered, created_at, expires_at)
SELECT :id, id, :is_remembered, :now, :expires_at
  FROM user_account
 WHERE id = :user_id AND is_active AND password_hash = :password_hash
   FOR SHARE;
