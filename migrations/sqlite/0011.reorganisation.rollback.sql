DROP TABLE reorg_move;
DROP TABLE reorg_plan;
