-- The Stocky before this one folds its own way.
INSERT INTO search_pending (item_id) SELECT item_id FROM search_text;
