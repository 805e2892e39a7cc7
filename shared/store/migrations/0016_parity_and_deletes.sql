-- Comparison of both sides, the brake on deletes, and the suppression of people who were erased.

ALTER TABLE schedules DROP CONSTRAINT schedules_mode_check,
    ADD CONSTRAINT schedules_mode_check CHECK (mode IN ('incremental', 'full', 'compare'));

-- Records of people whose identifiers are suppressed: counted, and nothing else is kept of them.
ALTER TABLE runs ADD COLUMN records_suppressed integer NOT NULL DEFAULT 0;

-- Which of 4,096 ranges an external id falls into; both sides of a comparison are summed up range by range.
CREATE FUNCTION parity_range(external_id text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ('x' || substr(md5(external_id), 1, 3))::bit(12)::integer;
GRANT EXECUTE ON FUNCTION parity_range(text) TO liaison_app;

-- One full comparison of one entity. `complete` needs its certificate: the figures at the time it ended.
CREATE TABLE parity_runs (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,
    trigger text NOT NULL,                        -- schedule, manual, cli
    repairs boolean NOT NULL,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'complete', 'partial', 'failed')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    position text,                                -- where the next page starts; null = at the beginning
    pages integer NOT NULL DEFAULT 0,
    requests integer NOT NULL DEFAULT 0,
    records_read integer NOT NULL DEFAULT 0,
    fields_compared bigint NOT NULL DEFAULT 0,
    fields_hidden bigint NOT NULL DEFAULT 0,
    records integer,                              -- of both sides together, once it has ended
    drift integer,                                -- differences that nothing explains
    explained integer,
    certificate jsonb,
    error text,
    CONSTRAINT complete_needs_certificate CHECK (status <> 'complete' OR certificate IS NOT NULL)
);
CREATE UNIQUE INDEX parity_runs_running ON parity_runs (integration_id, entity_type) WHERE status = 'running';
CREATE INDEX parity_runs_listed ON parity_runs (integration_id, entity_type, started_at DESC);
SELECT isolate_by_company('parity_runs');
GRANT SELECT, INSERT, UPDATE, DELETE ON parity_runs TO liaison_app;
CREATE POLICY operator ON parity_runs FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON parity_runs TO liaison_operator;

-- What the vendor has listed so far, while a comparison runs; its rows go with its end.
CREATE TABLE parity_seen (
    parity_id uuid NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    company_id uuid NOT NULL REFERENCES companies,
    range integer GENERATED ALWAYS AS (parity_range(external_id)) STORED,
    digest bytea NOT NULL,
    PRIMARY KEY (parity_id, external_id)
);
SELECT isolate_by_company('parity_seen');
GRANT SELECT, INSERT, UPDATE, DELETE ON parity_seen TO liaison_app;

-- Where the two sides differ: ids and names of fields, never a value.
CREATE TABLE parity_differences (
    parity_id uuid NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    company_id uuid NOT NULL REFERENCES companies,
    kind text NOT NULL,
    record_id uuid,
    link_id uuid,
    units text[] NOT NULL DEFAULT '{}',
    cause text,                                   -- what explains it; null = drift
    repair text,                                  -- what was asked for
    other_record_id uuid,                         -- the record that the vendor's one really is
    PRIMARY KEY (parity_id, external_id)
);
SELECT isolate_by_company('parity_differences');
GRANT SELECT, INSERT, UPDATE, DELETE ON parity_differences TO liaison_app;

-- More records have disappeared at a vendor than deletes usually do: none is believed until a person has decided.
CREATE TABLE delete_brakes (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,                    -- whose disappearance pulled it; it holds every entity
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected')),
    disappeared integer NOT NULL,                 -- within a day, when it was pulled
    allowed integer NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    ended_by text
);
CREATE UNIQUE INDEX delete_brakes_open ON delete_brakes (integration_id) WHERE state = 'open';
CREATE INDEX delete_brakes_listed ON delete_brakes (integration_id, opened_at DESC, id DESC);
SELECT isolate_by_company('delete_brakes');
GRANT SELECT, INSERT, UPDATE ON delete_brakes TO liaison_app;
CREATE POLICY operator ON delete_brakes FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON delete_brakes TO liaison_operator;

CREATE TABLE held_deletes (
    brake_id uuid NOT NULL,
    link_id uuid NOT NULL,
    company_id uuid NOT NULL REFERENCES companies,
    entity_type text NOT NULL,
    record_id uuid NOT NULL,
    held_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (brake_id, link_id)
);
CREATE INDEX held_deletes_link ON held_deletes (link_id);
SELECT isolate_by_company('held_deletes');
GRANT SELECT, INSERT, DELETE ON held_deletes TO liaison_app;
CREATE INDEX external_entity_map_gone ON external_entity_map (integration_id, entity_type, changed_at)
    WHERE state = 'gone';

-- Keyed hashes of what an erased person could come back by. Nothing can be read from them; they outlive the person.
CREATE TABLE suppressions (
    company_id uuid NOT NULL REFERENCES companies,
    hash bytea NOT NULL,
    kind text NOT NULL CHECK (kind IN ('external', 'email', 'phone')),
    reason text NOT NULL,                         -- erasure, request …
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (company_id, hash)
);
SELECT isolate_by_company('suppressions');
GRANT SELECT, INSERT, DELETE ON suppressions TO liaison_app;
