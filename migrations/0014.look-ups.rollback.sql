DROP INDEX item_to_look_up;
