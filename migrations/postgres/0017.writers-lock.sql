-- Whoever may take a number for webhook_news holds the writers' lock before, and to the end of its transaction: those who
-- follow the news wait for it (see list_open_writers).
-- depends: 0016.measures

CREATE FUNCTION hold_writers_lock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(77862604);
    RETURN NULL;
END
$$;
-- Before the statement, and so before the default of the first row takes a number.
CREATE TRIGGER webhook_news_holds_lock BEFORE INSERT ON webhook_news
    FOR EACH STATEMENT EXECUTE FUNCTION hold_writers_lock();
