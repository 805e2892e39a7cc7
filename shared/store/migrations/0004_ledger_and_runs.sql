-- The ledger of jobs, runs with their evidence, cursors, logs, and whatever waits for a person.

CREATE TABLE runs (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid NOT NULL REFERENCES integrations,
    parent_id uuid REFERENCES runs,               -- one request for several entities: a run over their runs
    entity_type text,                             -- null on a parent
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    mode text NOT NULL CHECK (mode IN ('incremental', 'full')),
    trigger text NOT NULL,                        -- schedule, manual, resume, first_sync, cli
    status text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'complete', 'partial', 'failed', 'cancelled')),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    pages integer NOT NULL DEFAULT 0,
    requests integer NOT NULL DEFAULT 0,
    records_read integer NOT NULL DEFAULT 0,
    records_created integer NOT NULL DEFAULT 0,
    records_updated integer NOT NULL DEFAULT 0,
    records_unchanged integer NOT NULL DEFAULT 0,
    records_skipped integer NOT NULL DEFAULT 0,
    records_quarantined integer NOT NULL DEFAULT 0,
    records_held integer NOT NULL DEFAULT 0,
    coverage jsonb NOT NULL DEFAULT '{}',         -- per field: how many records showed it
    evidence jsonb,
    error text,
    expected_records integer,
    cancel_requested_at timestamptz,
    CONSTRAINT complete_needs_evidence CHECK (status <> 'complete' OR evidence IS NOT NULL)
);
CREATE INDEX runs_integration ON runs (integration_id, started_at DESC);
CREATE INDEX runs_parent ON runs (parent_id) WHERE parent_id IS NOT NULL;
SELECT isolate_by_company('runs');
GRANT SELECT, INSERT, UPDATE ON runs TO liaison_app;
CREATE POLICY operator ON runs FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON runs TO liaison_operator;

CREATE TABLE cursors (
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,
    company_id uuid NOT NULL REFERENCES companies,
    watermark timestamptz,                        -- start of the last complete run, less nothing: the overlap is applied on use
    run_id uuid,                                  -- the run that *position* belongs to
    position text,                                -- where the next page of that run starts
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (integration_id, entity_type)
);
SELECT isolate_by_company('cursors');
GRANT SELECT, INSERT, UPDATE, DELETE ON cursors TO liaison_app;

CREATE TABLE sync_queue (
    id uuid PRIMARY KEY,
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    action text NOT NULL,                         -- name of the job's handler
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    priority integer NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 10),
    scheduled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retry_count integer NOT NULL DEFAULT 0,
    max_retries integer NOT NULL DEFAULT 3,
    error_message text,
    payload jsonb NOT NULL DEFAULT '{}',
    company_id uuid NOT NULL REFERENCES companies,
    record_key text NOT NULL,                     -- our id where there is a link, else ext:<external id>; or the job's own key
    started_at timestamptz,
    completed_at timestamptz,
    requested_seq bigint NOT NULL DEFAULT 1,
    claimed_seq bigint NOT NULL DEFAULT 0,
    hold_reason text,
    lease_until timestamptz,
    lease_token bigint,
    crashes integer NOT NULL DEFAULT 0,
    epoch integer NOT NULL DEFAULT 0,
    sent_at timestamptz,
    run_id uuid,
    error_code text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX sync_queue_open ON sync_queue (integration_id, action, entity_type, record_key)
    WHERE status IN ('pending', 'processing');
CREATE INDEX sync_queue_due ON sync_queue (integration_id, priority, scheduled_at) WHERE status = 'pending';
CREATE INDEX sync_queue_running ON sync_queue (integration_id, lease_until) WHERE status = 'processing';
CREATE INDEX sync_queue_status ON sync_queue (status, scheduled_at);
CREATE INDEX sync_queue_held ON sync_queue (company_id, hold_reason) WHERE hold_reason IS NOT NULL;
SELECT isolate_by_company('sync_queue');
GRANT SELECT, INSERT, UPDATE, DELETE ON sync_queue TO liaison_app;
CREATE POLICY dispatch ON sync_queue TO liaison_dispatch USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE, DELETE ON sync_queue TO liaison_dispatch;
CREATE POLICY operator ON sync_queue FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON sync_queue TO liaison_operator;

CREATE TABLE dead_letters (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid NOT NULL REFERENCES integrations,
    job_id uuid NOT NULL,
    queue text NOT NULL,
    action text NOT NULL,
    entity_type text NOT NULL,
    code text NOT NULL,
    cause text NOT NULL,
    attempts integer NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'redriven', 'dismissed')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX dead_letters_open ON dead_letters (job_id) WHERE state = 'open';
CREATE INDEX dead_letters_listing ON dead_letters (company_id, state, created_at DESC);
SELECT isolate_by_company('dead_letters');
GRANT SELECT, INSERT, UPDATE ON dead_letters TO liaison_app;
CREATE POLICY operator ON dead_letters FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON dead_letters TO liaison_operator;

CREATE TABLE sync_logs (
    id uuid NOT NULL,
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,
    entity_id uuid,
    external_id text,
    action text NOT NULL CHECK (action IN ('created', 'updated', 'deleted', 'skipped')),
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    status text NOT NULL CHECK (status IN ('success', 'failed', 'pending', 'conflict')),
    error_message text,
    synced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retry_count integer NOT NULL DEFAULT 0,
    company_id uuid NOT NULL,
    duration_ms integer,
    request_id text,                              -- the vendor's
    run_id uuid,
    job_id uuid,
    details jsonb NOT NULL DEFAULT '{}',          -- changed field names, rule, new status; counts on a page's row
    PRIMARY KEY (id, synced_at)
) PARTITION BY RANGE (synced_at);
CREATE INDEX sync_logs_listing ON sync_logs (integration_id, synced_at DESC);
CREATE INDEX sync_logs_status ON sync_logs (integration_id, status, synced_at DESC) WHERE status <> 'success';
CREATE INDEX sync_logs_entity ON sync_logs (entity_id, synced_at DESC) WHERE entity_id IS NOT NULL;
SELECT isolate_by_company('sync_logs');
GRANT SELECT, INSERT ON sync_logs TO liaison_app;
CREATE POLICY operator ON sync_logs FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON sync_logs TO liaison_operator;

CREATE TABLE quarantine (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,
    external_id text,
    run_id uuid,
    code text NOT NULL,
    reason text NOT NULL,                         -- path and rule; never a value, never a body
    tries integer NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX quarantine_open ON quarantine (integration_id, entity_type, external_id)
    WHERE ended_at IS NULL AND external_id IS NOT NULL;
SELECT isolate_by_company('quarantine');
GRANT SELECT, INSERT, UPDATE ON quarantine TO liaison_app;

CREATE TABLE conflicts (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    kind text NOT NULL CHECK (kind IN ('field', 'refused', 'ambiguous_match', 'possible_duplicate')),
    entity_type text NOT NULL,
    record_id uuid,                               -- null while an ambiguous match is undecided
    unit text,
    integration_id uuid REFERENCES integrations,  -- of a match; the sides of a field conflict stand in *sealed*
    external_id text,
    matches uuid[],
    version integer NOT NULL DEFAULT 1,           -- rises when an input moves; what If-Match is compared with
    inputs jsonb NOT NULL DEFAULT '{}',           -- per link: the fingerprints that the person is shown
    sealed bytea,                                 -- the values of each side, under the person's key
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'resolved', 'closed')),
    reason text,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    ended_by text,
    decision text
);
CREATE UNIQUE INDEX conflicts_open_unit ON conflicts (record_id, unit)
    WHERE status = 'open' AND kind IN ('field', 'refused');
CREATE UNIQUE INDEX conflicts_open_match ON conflicts (integration_id, entity_type, external_id)
    WHERE status = 'open' AND kind IN ('ambiguous_match', 'possible_duplicate');
CREATE INDEX conflicts_listing ON conflicts (company_id, status, opened_at DESC);
CREATE INDEX conflicts_record ON conflicts (record_id) WHERE status = 'open';
SELECT isolate_by_company('conflicts');
GRANT SELECT, INSERT, UPDATE ON conflicts TO liaison_app;

-- What people should know of an integration and no single record carries; one open row per subject.
CREATE TABLE issues (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid REFERENCES integrations,
    kind text NOT NULL,                           -- coverage_fell, value_refused, oscillation, webhook_overflow, …
    subject text NOT NULL,
    detail text NOT NULL,
    times integer NOT NULL DEFAULT 1,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE UNIQUE INDEX issues_open ON issues (integration_id, kind, subject) WHERE ended_at IS NULL;
SELECT isolate_by_company('issues');
GRANT SELECT, INSERT, UPDATE ON issues TO liaison_app;

CREATE TABLE webhook_events (
    id uuid PRIMARY KEY,
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid NOT NULL REFERENCES integrations,
    event_id text,
    state text NOT NULL CHECK (state IN ('processed', 'kept', 'refused')),
    received_at timestamptz NOT NULL,
    processed_at timestamptz,
    times integer NOT NULL DEFAULT 1,             -- deliveries under this event id
    records integer NOT NULL DEFAULT 0,           -- records that it named
    size_bytes integer NOT NULL DEFAULT 0,
    headers_sealed text,                          -- of kept events alone
    body_sealed text
);
CREATE UNIQUE INDEX webhook_events_event ON webhook_events (integration_id, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX webhook_events_kept ON webhook_events (integration_id, received_at) WHERE state = 'kept';
CREATE INDEX webhook_events_age ON webhook_events (received_at);
SELECT isolate_by_company('webhook_events');
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_events TO liaison_app;
