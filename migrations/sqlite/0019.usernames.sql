-- Usernames and e-mail addresses are compared in any case of ASCII, as they always were here; Postgres now does the same.
-- depends: 0018.units

DROP INDEX user_account__username;
DROP INDEX user_account__email;
CREATE UNIQUE INDEX user_account__username ON user_account (lower(username));
CREATE UNIQUE INDEX user_account__email ON user_account (lower(email));
