-- A run may take back what another one did.
ALTER TABLE runs DROP CONSTRAINT runs_mode_check;
ALTER TABLE runs ADD CONSTRAINT runs_mode_check CHECK (mode IN ('incremental', 'full', 'revert'));
ALTER TABLE runs ADD COLUMN reverts uuid REFERENCES runs;
CREATE UNIQUE INDEX runs_reverting ON runs (reverts, entity_type) WHERE status = 'running' AND reverts IS NOT NULL;
