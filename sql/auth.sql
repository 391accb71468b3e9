-- Users, sign-ins and API keys.

-- get_user --
-- One user.
SELECT id, username, email, role, is_active, created_at, updated_at
  FROM user_account
 WHERE id = :id;

-- find_user_language --
-- The language that a user chose for the pages.
SELECT language
  FROM user_account
 WHERE id = :user_id;

-- set_user_language --
-- Sets the language of the pages for a user.
UPDATE user_account
   SET language = :language,
       updated_at = :now
 WHERE id = :user_id;

-- list_users_by_id --
-- The users :ids, including inactive ones.
SELECT id, username, email, role, is_active, created_at, updated_at
  FROM user_account
 WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)));

-- has_active_admin --
-- Whether an active admin exists.
SELECT EXISTS (SELECT 1 FROM user_account WHERE role = 'admin' AND is_active);

-- find_user_named --
-- One user by name, ignoring case.
SELECT id, username, email, role, is_active, created_at, updated_at
  FROM user_account
 WHERE lower(username) = lower(:username);

-- list_user_names --
-- The names of every user.
SELECT id, username, email
  FROM user_account
 ORDER BY id;

-- list_users --
-- All users, including inactive ones, in the order they were added.
SELECT id, username, email, role, is_active, created_at, updated_at
  FROM user_account
 ORDER BY /* sort: id; username = lower(username); email = lower(email); role; created_at; updated_at */ id
 LIMIT :limit OFFSET :skip;

-- find_password_hash --
-- The stored password hash of a user.
SELECT password_hash
  FROM user_account
 WHERE id = :user_id;

-- add_user --
-- A new user.
INSERT INTO user_account (username, email, password_hash, role, is_active, created_at, updated_at)
VALUES (:username, :email, :password_hash, :role, :is_active, :now, :now)
RETURNING id, username, email, role, is_active, created_at, updated_at;

-- change_user --
-- Changes the columns whose parameter is not NULL.
UPDATE user_account
   SET username = coalesce(CAST(:username AS TEXT), username),
       email = coalesce(CAST(:email AS TEXT), email),
       password_hash = coalesce(CAST(:password_hash AS TEXT), password_hash),
       role = coalesce(CAST(:role AS TEXT), role),
       is_active = coalesce(CAST(:is_active AS BOOLEAN), is_active),
       updated_at = :now
 WHERE id = :id
RETURNING id, username, email, role, is_active, created_at, updated_at;

-- lock_active_admins --
-- The active admins, always in the same order, so that two concurrent changes cannot deadlock.
SELECT id
  FROM user_account
 WHERE role = 'admin' AND is_active
 ORDER BY id;

-- add_sign_in --
-- A sign-in, unless the user's password or state changed while the password was verified.
INSERT INTO sign_in (id, user_id, is_remembered, created_at, expires_at)
SELECT :id, id, CAST(:is_remembered AS BOOLEAN), :now, :expires_at
  FROM user_account
 WHERE id = :user_id AND is_active AND password_hash = :password_hash;

-- find_sign_in --
-- A sign-in that has neither expired nor been revoked.
SELECT id, user_id, is_remembered, expires_at
  FROM sign_in
 WHERE id = :id AND revoked_at IS NULL AND expires_at > :now;

-- list_sign_ins --
-- The sign-ins of a user that have neither expired nor been revoked, newest first.
SELECT id, is_remembered, created_at, expires_at
  FROM sign_in
 WHERE user_id = :user_id AND revoked_at IS NULL AND expires_at > :now
 ORDER BY created_at DESC, id;

-- find_sign_in_of_token --
-- A sign-in by one of its refresh tokens, used or not.
SELECT sign_in.id, sign_in.user_id, sign_in.is_remembered, sign_in.expires_at
  FROM refresh_token JOIN sign_in ON sign_in.id = refresh_token.sign_in_id
 WHERE refresh_token.token_hash = :token_hash AND sign_in.revoked_at IS NULL AND sign_in.expires_at > :now;

-- revoke_sign_in --
-- Ends one sign-in.
UPDATE sign_in
   SET revoked_at = :now
 WHERE id = :id AND revoked_at IS NULL;

-- revoke_sign_ins --
-- Ends the sign-ins of a user, all but :except_id.
UPDATE sign_in
   SET revoked_at = :now
 WHERE user_id = :user_id AND revoked_at IS NULL AND id <> coalesce(CAST(:except_id AS TEXT), '');

-- remove_ended_sign_ins --
-- Removes expired and revoked sign-ins, with their refresh tokens.
DELETE FROM sign_in
 WHERE expires_at < :now OR revoked_at < :now;

-- add_refresh_token --
-- Adds a refresh token to a sign-in.
INSERT INTO refresh_token (token_hash, sign_in_id, created_at)
VALUES (:token_hash, :sign_in_id, :now);

-- use_refresh_token --
-- Marks it as used; changes no row when it already was.
UPDATE refresh_token
   SET used_at = :now
 WHERE token_hash = :token_hash AND used_at IS NULL;

-- find_api_key --
-- The fields that a key is checked against.
SELECT id, user_id, key_hash, expires_at
  FROM api_key
 WHERE prefix = :prefix AND revoked_at IS NULL;

-- get_key_expiry --
-- When a key expires; NULL when it does not.
SELECT expires_at
  FROM api_key
 WHERE id = :id;

-- list_api_keys --
-- The keys of a user that are not revoked.
SELECT id, user_id, name, prefix, created_at, expires_at, last_used_at
  FROM api_key
 WHERE user_id = :user_id AND revoked_at IS NULL
 ORDER BY /* sort: id; name = lower(name); created_at; expires_at = expires_at NULLS LAST;
             last_used_at = last_used_at NULLS LAST */
          id
 LIMIT :limit OFFSET :skip;

-- add_api_key --
-- A new key.
INSERT INTO api_key (user_id, name, prefix, key_hash, created_at, expires_at)
VALUES (:user_id, :name, :prefix, :key_hash, :now, :expires_at)
RETURNING id, user_id, name, prefix, created_at, expires_at, last_used_at;

-- revoke_api_keys --
-- Revokes keys of a user: all, the one with :id, or those named :name. Returns the revoked keys.
UPDATE api_key
   SET revoked_at = :now
 WHERE user_id = :user_id
   AND revoked_at IS NULL
   AND (CAST(:id AS BIGINT) IS NULL OR id = :id)
   AND (CAST(:name AS TEXT) IS NULL OR name = :name)
RETURNING id, user_id, name, prefix, created_at, expires_at, last_used_at;

-- note_api_key_use --
-- Stores when a key was last used; the latest of several processes counts.
UPDATE api_key
   SET last_used_at = :used_at
 WHERE id = :id AND (last_used_at IS NULL OR last_used_at < :used_at);

-- get_auth_revision --
-- Counts the changes of users, keys and sign-ins.
SELECT revision
  FROM auth_revision;

-- raise_auth_revision --
-- Notifies every process that users, keys or sign-ins have changed.
UPDATE auth_revision
   SET revision = revision + 1;
