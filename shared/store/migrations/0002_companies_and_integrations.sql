-- Companies, access tokens, integrations and what hangs on a connection.

CREATE TABLE companies (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
SELECT isolate_by_company('companies', 'id');
GRANT SELECT ON companies TO liaison_app;

CREATE TABLE access_tokens (
    id uuid PRIMARY KEY,                          -- the token's jti
    company_id uuid NOT NULL REFERENCES companies,
    role text NOT NULL,
    subject text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
SELECT isolate_by_company('access_tokens');
GRANT SELECT, INSERT, UPDATE ON access_tokens TO liaison_app;

CREATE TABLE integrations (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    platform text NOT NULL,
    api_key_encrypted text,                       -- sealed JSON of every secret of the connection, by name
    api_base_url text,
    webhook_url text NOT NULL,
    sync_enabled boolean NOT NULL DEFAULT true,
    sync_roles boolean NOT NULL DEFAULT true,
    sync_candidates boolean NOT NULL DEFAULT true,
    sync_applications boolean NOT NULL DEFAULT true,
    config jsonb NOT NULL DEFAULT '{}',
    last_synced_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    name text NOT NULL DEFAULT '',
    account text,                                 -- what names the vendor account; a new connection to it takes links over
    rank integer NOT NULL,                        -- order of creation in the company; 0 is the portal
    version integer NOT NULL DEFAULT 1,           -- rises with each change of settings
    max_retries integer NOT NULL DEFAULT 3 CHECK (max_retries BETWEEN 0 AND 5),
    attention text,                               -- why people must act (auth_failed …); jobs wait meanwhile
    attention_detail text,
    blocked_until timestamptz,                    -- the vendor asked to wait, or the breaker is open
    clock_skew_ms integer NOT NULL DEFAULT 0,     -- vendor's clock minus ours
    webhook_secret_sealed text,                   -- sealed JSON: current, previous (with its end), next
    webhook_secrets_version integer NOT NULL DEFAULT 1,
    full_compare_wanted_at timestamptz,           -- kept events were more than we keep
    deleted_at timestamptz,
    UNIQUE (company_id, rank)
);
CREATE INDEX integrations_company ON integrations (company_id, created_at);
SELECT isolate_by_company('integrations');
GRANT SELECT, INSERT, UPDATE ON integrations TO liaison_app;
CREATE POLICY dispatch ON integrations TO liaison_dispatch USING (true);
GRANT SELECT ON integrations TO liaison_dispatch;
CREATE POLICY operator ON integrations FOR SELECT TO liaison_operator USING (true);
GRANT SELECT (id, company_id, platform, api_base_url, webhook_url, sync_enabled, sync_roles, sync_candidates,
    sync_applications, last_synced_at, created_at, updated_at, name, account, rank, version, max_retries, attention,
    attention_detail, blocked_until, clock_skew_ms, full_compare_wanted_at, deleted_at)
    ON integrations TO liaison_operator;

CREATE TABLE oauth_tokens (
    integration_id uuid PRIMARY KEY REFERENCES integrations,
    company_id uuid NOT NULL REFERENCES companies,
    sealed text,
    version integer NOT NULL DEFAULT 0,
    expires_at timestamptz,
    lease_until timestamptz,                      -- one refresher at a time, and no lock held over HTTP
    lease_token bigint,
    updated_at timestamptz NOT NULL DEFAULT now()
);
SELECT isolate_by_company('oauth_tokens');
GRANT SELECT, INSERT, UPDATE, DELETE ON oauth_tokens TO liaison_app;

CREATE TABLE schedules (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('incremental', 'full')),
    every_s integer NOT NULL CHECK (every_s BETWEEN 300 AND 86400),
    time_zone text NOT NULL DEFAULT 'UTC',
    enabled boolean NOT NULL DEFAULT true,
    next_due_at timestamptz NOT NULL,
    last_enqueued_at timestamptz,
    UNIQUE (integration_id, entity_type, mode)
);
CREATE INDEX schedules_due ON schedules (next_due_at) WHERE enabled;
SELECT isolate_by_company('schedules');
GRANT SELECT, INSERT, UPDATE, DELETE ON schedules TO liaison_app;
CREATE POLICY dispatch ON schedules TO liaison_dispatch USING (true);
GRANT SELECT ON schedules TO liaison_dispatch;
CREATE POLICY operator ON schedules FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON schedules TO liaison_operator;

CREATE TABLE routes (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    entity_type text NOT NULL,
    from_system text NOT NULL,                    -- portal, or an integration's id
    to_system text NOT NULL,                      -- an integration's id, or job_owner = the integration that owns the job
    condition jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (company_id, entity_type, from_system, to_system)
);
SELECT isolate_by_company('routes');
GRANT SELECT, INSERT, UPDATE, DELETE ON routes TO liaison_app;
