-- Usernames and e-mail addresses are compared in any case of ASCII, as SQLite does, so that a dump of either restores.
-- depends: 0018.units

DROP INDEX user_account__username;
DROP INDEX user_account__email;
CREATE UNIQUE INDEX user_account__username ON user_account (lower(username COLLATE "C"));
CREATE UNIQUE INDEX user_account__email ON user_account (lower(email COLLATE "C"));
