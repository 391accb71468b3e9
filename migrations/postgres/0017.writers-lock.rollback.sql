DROP TRIGGER webhook_news_holds_lock ON webhook_news;
DROP FUNCTION hold_writers_lock();
