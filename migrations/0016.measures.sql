-- Texts of the search that were folded before measures were: in one piece, with u for micro and ohm spelt out.
-- depends: 0015.webhooks

-- What is marked is folded anew by the Stocky that serves, and found by the words it had until then.
INSERT INTO search_pending (item_id) SELECT item_id FROM search_text;
