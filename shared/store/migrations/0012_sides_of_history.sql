-- Besides what a change here replaced, history keeps what a write of ours replaced at a vendor (*theirs*: without it a
-- write could not be taken back) and what lost a decision and was written nowhere (*lost*: so that it can be shown).
ALTER TABLE record_history ADD COLUMN side text NOT NULL DEFAULT 'ours' CHECK (side IN ('ours', 'theirs', 'lost'));
CREATE INDEX record_history_run ON record_history (run_id, record_id) WHERE run_id IS NOT NULL;
