DROP VIEW box_detail;
DROP TABLE box;
