-- Canonical records, their history, and the links to each system's own ids.

CREATE TABLE records (
    company_id uuid NOT NULL REFERENCES companies,
    entity_type text NOT NULL,
    id uuid NOT NULL,
    data jsonb NOT NULL,
    stamps jsonb NOT NULL DEFAULT '{}',           -- per unit: which system gave the value, when, by which rule and job
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    submission jsonb,                             -- applications: state, integration_id, external_id, submitted_at, error
    email_key text COLLATE "C" GENERATED ALWAYS AS (lower(btrim(data ->> 'email'))) STORED,
    phone_key text COLLATE "C"
        GENERATED ALWAYS AS (nullif(regexp_replace(data ->> 'phone', '[^0-9]', '', 'g'), '')) STORED,
    name_key text COLLATE "C" GENERATED ALWAYS AS (
        nullif(lower(btrim(coalesce(data ->> 'last_name', '') || ' ' || coalesce(data ->> 'first_name', ''))), '')) STORED,
    first_name_key text COLLATE "C" GENERATED ALWAYS AS (lower(btrim(data ->> 'first_name'))) STORED,
    candidate_id uuid GENERATED ALWAYS AS ((data ->> 'candidate_id')::uuid) STORED,
    job_id uuid GENERATED ALWAYS AS ((data ->> 'job_id')::uuid) STORED,
    status text GENERATED ALWAYS AS (data ->> 'status') STORED,
    stage text GENERATED ALWAYS AS (data ->> 'stage') STORED,
    PRIMARY KEY (id, entity_type)
) PARTITION BY LIST (entity_type);
SELECT isolate_by_company('records');

CREATE TABLE records_job PARTITION OF records FOR VALUES IN ('job') WITH (fillfactor = 85);
CREATE TABLE records_candidate PARTITION OF records FOR VALUES IN ('candidate') WITH (fillfactor = 85);
CREATE TABLE records_application PARTITION OF records FOR VALUES IN ('application') WITH (fillfactor = 85);
SELECT isolate_by_company('records_job'), isolate_by_company('records_candidate'),
    isolate_by_company('records_application');

CREATE INDEX records_listing ON records (company_id, created_at, id);
CREATE INDEX records_candidate_email ON records_candidate (company_id, email_key) WHERE email_key IS NOT NULL;
CREATE INDEX records_candidate_phone ON records_candidate (company_id, phone_key) WHERE phone_key IS NOT NULL;
CREATE INDEX records_candidate_name ON records_candidate (company_id, name_key) WHERE name_key IS NOT NULL;
CREATE INDEX records_candidate_first_name ON records_candidate (company_id, first_name_key)
    WHERE first_name_key IS NOT NULL;
CREATE INDEX records_application_candidate ON records_application (company_id, candidate_id);
CREATE INDEX records_application_job ON records_application (company_id, job_id);
CREATE INDEX records_application_status ON records_application (company_id, status, stage);
CREATE INDEX records_job_status ON records_job (company_id, status);
-- Only the parent is granted: a partition named directly shows nothing, policy or not.
GRANT SELECT, INSERT, UPDATE ON records TO liaison_app;

CREATE VIEW candidates WITH (security_invoker = true) AS
SELECT id, company_id, version, created_at, updated_at, archived_at,
    data ->> 'first_name' AS first_name, data ->> 'last_name' AS last_name, data ->> 'email' AS email,
    data ->> 'phone' AS phone, data ->> 'current_company' AS current_company, data ->> 'current_title' AS current_title,
    data -> 'tags' AS tags, data
FROM records WHERE entity_type = 'candidate';

CREATE VIEW applications WITH (security_invoker = true) AS
SELECT id, company_id, version, created_at, updated_at, archived_at, candidate_id, job_id, stage, status,
    data ->> 'rejection_reason' AS rejection_reason, data ->> 'source' AS source,
    (data ->> 'applied_at')::timestamptz AS applied_at, submission, data
FROM records WHERE entity_type = 'application';

CREATE VIEW jobs WITH (security_invoker = true) AS
SELECT id, company_id, version, created_at, updated_at, archived_at, data ->> 'title' AS title,
    data ->> 'requisition_id' AS requisition_id, status, data ->> 'department' AS department,
    data ->> 'location' AS location, data -> 'stages' AS stages, data
FROM records WHERE entity_type = 'job';
GRANT SELECT ON candidates, applications, jobs TO liaison_app;

-- Salt of the key under which everything personal of one record is sealed; without it nothing can be opened again.
CREATE TABLE person_keys (
    record_id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    kid text NOT NULL,
    salt bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
SELECT isolate_by_company('person_keys');
GRANT SELECT, INSERT, DELETE ON person_keys TO liaison_app;

-- Reverse deltas: the old values of what changed, sealed; the newest state is the record itself.
CREATE TABLE record_history (
    company_id uuid NOT NULL,
    record_id uuid NOT NULL,
    entity_type text NOT NULL,
    version integer NOT NULL,                     -- the version that this change ended
    at timestamptz NOT NULL,
    units text[] NOT NULL,
    sealed bytea NOT NULL,
    source text NOT NULL,
    job_id uuid,
    run_id uuid,
    PRIMARY KEY (record_id, version, at)
) PARTITION BY RANGE (at);
SELECT isolate_by_company('record_history');
GRANT SELECT, INSERT ON record_history TO liaison_app;

CREATE TABLE external_entity_map (
    id uuid PRIMARY KEY,
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,
    internal_id uuid NOT NULL,
    external_id text NOT NULL,
    last_synced_at timestamptz NOT NULL DEFAULT now(),
    sync_version integer NOT NULL DEFAULT 1,
    company_id uuid NOT NULL REFERENCES companies,
    state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'gone', 'tombstone')),
    is_primary boolean NOT NULL DEFAULT true,
    fence bigint NOT NULL DEFAULT 0,              -- ticket taken after our last write
    vendor_version text,                          -- of the answer to our last write
    written_at timestamptz,                       -- our last write; a list may lag behind it
    digest bytea,                                 -- of the vendor's record as last merged
    base jsonb NOT NULL DEFAULT '{}',             -- per unit: pair of fingerprints, state, intent (shared/merge/base_codec)
    changed_at timestamptz,                       -- when the state changed to gone or tombstone
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX external_entity_map_external ON external_entity_map (integration_id, entity_type, external_id)
    WHERE state <> 'tombstone';
CREATE UNIQUE INDEX external_entity_map_primary ON external_entity_map (integration_id, entity_type, internal_id)
    WHERE is_primary AND state <> 'tombstone';
CREATE INDEX external_entity_map_internal ON external_entity_map (internal_id);
SELECT isolate_by_company('external_entity_map');
GRANT SELECT, INSERT, UPDATE, DELETE ON external_entity_map TO liaison_app;
CREATE POLICY operator ON external_entity_map FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON external_entity_map TO liaison_operator;

CREATE TABLE create_intents (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,
    record_id uuid NOT NULL,
    identity_key text,                            -- keyed hash of what the vendor is searched by
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'linked', 'review')),
    lease_token bigint NOT NULL,
    sent_at timestamptz,                          -- set before the call: from here on the record may exist
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX create_intents_open ON create_intents (integration_id, entity_type, record_id) WHERE state = 'open';
CREATE INDEX create_intents_identity ON create_intents (integration_id, identity_key) WHERE state = 'open';
SELECT isolate_by_company('create_intents');
GRANT SELECT, INSERT, UPDATE ON create_intents TO liaison_app;
