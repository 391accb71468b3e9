DROP TABLE orphan_content;
DROP TABLE document;
