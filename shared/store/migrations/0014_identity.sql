-- Candidates that were merged into one, with all that parting them again needs; and pairs that are not one person.

CREATE TABLE record_merges (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    entity_type text NOT NULL,
    survivor_id uuid NOT NULL,
    merged_id uuid NOT NULL CHECK (merged_id <> survivor_id),
    survivor_sealed bytea NOT NULL,               -- as it was, and what it became: under the survivor's key
    merged_sealed bytea NOT NULL,                 -- as it was, its links and applications: under its own key
    merged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    merged_by text NOT NULL,
    ended_at timestamptz,                         -- when the two were parted again
    ended_by text
);
CREATE UNIQUE INDEX record_merges_merged ON record_merges (merged_id) WHERE ended_at IS NULL;
CREATE INDEX record_merges_survivor ON record_merges (survivor_id) WHERE ended_at IS NULL;
SELECT isolate_by_company('record_merges');
GRANT SELECT, INSERT, UPDATE ON record_merges TO liaison_app;

-- Two records of which a person said that they are not the same: neither matched nor suggested again.
CREATE TABLE identity_pairs (
    company_id uuid NOT NULL REFERENCES companies,
    low uuid NOT NULL,
    high uuid NOT NULL CHECK (high > low),
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_by text NOT NULL,
    PRIMARY KEY (low, high)
);
CREATE INDEX identity_pairs_high ON identity_pairs (high);
SELECT isolate_by_company('identity_pairs');
GRANT SELECT, INSERT, DELETE ON identity_pairs TO liaison_app;
