-- What people decided: no automation overrides it until somebody shows a value that the person did not see.
CREATE TABLE record_pins (
    record_id uuid NOT NULL,
    unit text NOT NULL,
    company_id uuid NOT NULL REFERENCES companies,
    decision text NOT NULL,                       -- fingerprints with the record's own key, never a value
    rejected text[] NOT NULL DEFAULT '{}',        -- what the person was shown and did not choose, this time or before
    norm integer NOT NULL,                        -- version of the normal form
    key_id text NOT NULL,                         -- which root the key came from
    decided_at timestamptz NOT NULL,
    decided_by text NOT NULL,
    PRIMARY KEY (record_id, unit)
);
SELECT isolate_by_company('record_pins');
GRANT SELECT, INSERT, UPDATE, DELETE ON record_pins TO liaison_app;

-- Where phone numbers without a country belong.
ALTER TABLE companies ADD COLUMN default_region text CHECK (default_region ~ '^[A-Z]{2}$');
GRANT UPDATE (default_region) ON companies TO liaison_app;
