-- Monthly partitions, and the views that carry the names of the tables that Liaison replaces.

-- Makes the partitions of last month to three months ahead and drops log months that are older than p_keep_days whole.
CREATE FUNCTION maintain_partitions(p_keep_days integer DEFAULT 90) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    parent text;
    month date;
    child text;
    made integer := 0;
    old record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('maintain_partitions', 0));
    FOREACH parent IN ARRAY ARRAY['sync_logs', 'record_history'] LOOP
        FOR ahead IN -1 .. 3 LOOP
            month := (date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + make_interval(months => ahead))::date;
            child := parent || to_char(month, '_YYYY_MM');
            CONTINUE WHEN to_regclass(child) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', child, parent,
                month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
            PERFORM isolate_by_company(child::regclass);
            made := made + 1;
        END LOOP;
    END LOOP;
    FOR old IN
        SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
        WHERE h.inhparent = 'sync_logs'::regclass
            AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month'
                < (clock_timestamp() AT TIME ZONE 'UTC') - make_interval(days => p_keep_days)
    LOOP
        EXECUTE format('DROP TABLE %I', old.relname);
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION maintain_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maintain_partitions(integer) TO liaison_app;
SELECT maintain_partitions();

CREATE VIEW ats_integration_settings WITH (security_invoker = true) AS
SELECT id, platform::varchar AS ats_name, api_base_url::varchar AS api_endpoint,
    (CASE WHEN api_key_encrypted IS NULL THEN NULL ELSE '********' END)::varchar AS api_key, created_at, updated_at
FROM integrations WHERE deleted_at IS NULL;

CREATE VIEW candidates_import_log WITH (security_invoker = true) AS
SELECT id, integration_id AS ats_integration_id, entity_id AS candidate_id,
    (synced_at AT TIME ZONE 'UTC')::timestamp AS imported_at,
    CASE status WHEN 'success' THEN 'Success' ELSE 'Failed' END AS status, error_message
FROM sync_logs
WHERE entity_type = 'candidate' AND direction = 'inbound' AND status IN ('success', 'failed')
    AND (action IN ('created', 'updated') OR status = 'failed');

CREATE VIEW application_status_update_log WITH (security_invoker = true) AS
SELECT l.id, l.integration_id AS ats_integration_id, r.candidate_id, l.details ->> 'status' AS status,
    l.synced_at AS updated_at, l.error_message
FROM sync_logs l JOIN records r ON r.id = l.entity_id AND r.entity_type = 'application'
WHERE l.entity_type = 'application' AND l.direction = 'outbound' AND l.details ? 'status';

GRANT SELECT ON ats_integration_settings, candidates_import_log, application_status_update_log TO liaison_app;
