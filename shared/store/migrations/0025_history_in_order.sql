-- Writes to two vendors may end in one microsecond, and a clock may step back: time alone tells neither two rows of one
-- version apart nor which came first. Rows of before keep 0 and are told apart by their time, as they were.
CREATE SEQUENCE history_seq;
GRANT USAGE ON SEQUENCE history_seq TO liaison_app;
ALTER TABLE record_history ADD COLUMN seq bigint NOT NULL DEFAULT 0;
ALTER TABLE record_history
    ALTER COLUMN seq SET DEFAULT nextval('history_seq'),
    DROP CONSTRAINT record_history_pkey,
    ADD PRIMARY KEY (record_id, version, at, seq);
