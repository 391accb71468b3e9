DROP VIEW item_detail;
