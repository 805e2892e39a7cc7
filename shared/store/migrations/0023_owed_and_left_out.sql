-- What was left out only because its parent was: of whom it hangs, so that it comes in together with that one.
ALTER TABLE left_out
    ADD COLUMN parent_type text,
    ADD COLUMN parent_id text,                    -- the vendor's id, as external_id is
    ADD CONSTRAINT left_out_parent_check CHECK ((parent_type IS NULL) = (parent_id IS NULL));
CREATE INDEX left_out_parent ON left_out (integration_id, parent_type, parent_id) WHERE parent_id IS NOT NULL;
GRANT UPDATE ON left_out TO liaison_app;

-- Since when a pull of everything is owed, because the mapping is another one; null: none is.
ALTER TABLE cursors ADD COLUMN full_wanted_at timestamptz;

-- A vendor's id under which somebody came who is suppressed by address or number: it goes when that mark does.
ALTER TABLE suppressions
    ADD COLUMN because_of bytea,
    ADD CONSTRAINT suppressions_cause FOREIGN KEY (company_id, because_of)
        REFERENCES suppressions (company_id, hash) ON DELETE CASCADE;
CREATE INDEX suppressions_because_of ON suppressions (company_id, because_of) WHERE because_of IS NOT NULL;

-- One open issue of a kind and subject also where it is no integration's: then it is the company's. Those that were
-- doubled until now end, but for the newest.
ALTER TABLE issues NO FORCE ROW LEVEL SECURITY;
UPDATE issues SET ended_at = clock_timestamp() FROM (
    SELECT id, row_number() OVER (PARTITION BY company_id, kind, subject ORDER BY last_seen_at DESC, id) AS place
    FROM issues WHERE integration_id IS NULL AND ended_at IS NULL
) doubled WHERE doubled.id = issues.id AND doubled.place > 1;
ALTER TABLE issues FORCE ROW LEVEL SECURITY;
DROP INDEX issues_open;
CREATE UNIQUE INDEX issues_open ON issues (integration_id, kind, subject, company_id) NULLS NOT DISTINCT
    WHERE ended_at IS NULL;
