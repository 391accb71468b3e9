DROP TABLE notice_lease;
DROP TABLE notice_sent;
DROP TABLE notice;
DROP TABLE notice_queue;
DROP TABLE notice_channel;
