ALTER TABLE user_account DROP COLUMN language;
