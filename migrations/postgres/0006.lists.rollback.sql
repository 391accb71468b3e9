DROP TABLE project_withdrawal;
DROP TABLE project_entry;
DROP TABLE project;
DROP TABLE shopping_list_log;
DROP TABLE shopping_list_entry;
DROP TABLE shopping_list;
