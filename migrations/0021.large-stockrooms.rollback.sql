DROP VIEW low_item;
DROP INDEX stock_event_by_time;
DROP INDEX stock_event_by_rare_kind;
DROP INDEX search_text_cut_off;
DROP INDEX item_with_minimum;
DROP INDEX item_hidden;
DROP INDEX item_counted_by_type;
DROP INDEX item_counted_by_seller;
