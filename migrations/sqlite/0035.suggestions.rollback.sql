DROP TABLE assistance_usage;
DROP TABLE suggestion;
