-- The language of the pages that a user chose; NULL leaves it to the browser.
-- depends: 0021.large-stockrooms

-- Any short code: a database may come from a Stocky with more languages, and an unknown one counts as not chosen.
-- Without BETWEEN, which Postgres writes in another way after a dump was restored.
ALTER TABLE user_account ADD COLUMN language TEXT
    CONSTRAINT user_account__language
    CHECK (length(language) >= 2 AND length(language) <= 12 AND length(language || '.') = length(language) + 1);
