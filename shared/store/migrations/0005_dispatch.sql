-- What must cross companies: claiming, sweeping, schedules, health. These functions run as liaison_dispatch, return ids,
-- company and priority, and nothing else; the caller then works inside that one company.

-- An integration's jobs run unless it is paused, needs people, must wait, or is gone. Priority 1 is kept for telling the
-- webhook intake about secrets and states, which has to happen exactly then.
CREATE FUNCTION integration_runs(i integrations) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN i.sync_enabled AND i.attention IS NULL AND i.deleted_at IS NULL
        AND coalesce(i.blocked_until, '-infinity') <= clock_timestamp();

-- Claims *p_job* if it is due, else the fairest due job with a priority in p_low..p_high; at most p_cap jobs of one
-- integration run at once, over all instances. No row: nothing may run now.
CREATE FUNCTION claim_job(p_job uuid, p_low integer, p_high integer, p_ttl interval, p_cap integer)
    RETURNS TABLE (job_id uuid, company uuid, token bigint, job_priority integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    choice record;
    chosen uuid;
BEGIN
    FOR choice IN
        WITH running AS MATERIALIZED (
            SELECT q.company_id, count(*) AS jobs FROM sync_queue q
            WHERE q.status = 'processing' AND q.lease_until >= clock_timestamp() GROUP BY q.company_id
        )
        SELECT d.id, d.integration_id, d.turn FROM (
            SELECT q.id, q.integration_id, q.company_id, q.priority, q.scheduled_at, 0 AS turn
            FROM sync_queue q JOIN integrations i ON i.id = q.integration_id
            WHERE q.id = p_job AND (integration_runs(i) OR q.priority = 1)
                AND ((q.status = 'pending' AND q.scheduled_at <= clock_timestamp() + interval '2 s')
                     OR (q.status = 'processing' AND q.lease_until < clock_timestamp()))
            UNION ALL
            SELECT b.id, i.id, i.company_id, b.priority, b.scheduled_at, 1
            FROM integrations i CROSS JOIN LATERAL (
                (SELECT q.id, q.priority, q.scheduled_at FROM sync_queue q
                 WHERE q.integration_id = i.id AND q.status = 'pending' AND q.scheduled_at <= clock_timestamp()
                    AND q.priority BETWEEN p_low AND CASE WHEN integration_runs(i) THEN p_high ELSE 1 END
                 ORDER BY q.priority, q.scheduled_at LIMIT 1)
                UNION ALL
                (SELECT q.id, q.priority, q.lease_until FROM sync_queue q
                 WHERE q.integration_id = i.id AND q.status = 'processing' AND q.lease_until < clock_timestamp()
                    AND q.priority BETWEEN p_low AND CASE WHEN integration_runs(i) THEN p_high ELSE 1 END
                 LIMIT 1)
            ) b
        ) d LEFT JOIN running r ON r.company_id = d.company_id
        -- Ten minutes of waiting outweigh one step of priority; a company with much running waits for one with little.
        ORDER BY d.turn,
            d.priority - extract(epoch FROM clock_timestamp() - d.scheduled_at) / 600.0 + coalesce(r.jobs, 0) * 0.5,
            d.scheduled_at
    LOOP
        -- Counting and claiming of one integration happen one after another, so that the cap holds.
        PERFORM pg_advisory_xact_lock(hashtextextended('claim ' || choice.integration_id::text, 0));
        CONTINUE WHEN p_cap <= (SELECT count(*) FROM sync_queue q WHERE q.integration_id = choice.integration_id
            AND q.status = 'processing' AND q.lease_until >= clock_timestamp());
        SELECT q.id INTO chosen FROM sync_queue q
        WHERE q.integration_id = choice.integration_id
            AND (choice.turn = 0 AND q.id = p_job OR choice.turn = 1 AND q.id = choice.id)
            AND ((q.status = 'pending' AND q.scheduled_at <= clock_timestamp() + interval '2 s')
                 OR (q.status = 'processing' AND q.lease_until < clock_timestamp()))
        FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        RETURN QUERY UPDATE sync_queue q SET
            status = 'processing', lease_token = nextval('lease_seq'), lease_until = clock_timestamp() + p_ttl,
            claimed_seq = q.requested_seq, started_at = clock_timestamp(), hold_reason = NULL,
            crashes = q.crashes + (q.status = 'processing')::integer
        WHERE q.id = chosen
        RETURNING q.id, q.company_id, q.lease_token, q.priority;
        RETURN;
    END LOOP;
END $$;

-- Jobs that are due or whose worker is gone, at most p_per_integration each: what the sweep knocks for.
CREATE FUNCTION due_jobs(p_low integer, p_high integer, p_per_integration integer, p_limit integer)
    RETURNS TABLE (job_id uuid, company uuid, job_epoch integer)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT d.id, i.company_id, d.epoch
    FROM integrations i CROSS JOIN LATERAL (
        (SELECT q.id, q.epoch, q.priority, q.scheduled_at FROM sync_queue q
         WHERE q.integration_id = i.id AND q.status = 'pending' AND q.scheduled_at <= clock_timestamp()
            AND q.priority BETWEEN p_low AND CASE WHEN integration_runs(i) THEN p_high ELSE 1 END
         ORDER BY q.priority, q.scheduled_at LIMIT p_per_integration)
        UNION ALL
        (SELECT q.id, q.epoch, q.priority, q.lease_until FROM sync_queue q
         WHERE q.integration_id = i.id AND q.status = 'processing' AND q.lease_until < clock_timestamp()
            AND q.priority BETWEEN p_low AND CASE WHEN integration_runs(i) THEN p_high ELSE 1 END
         LIMIT p_per_integration)
    ) d
    ORDER BY d.priority, d.scheduled_at LIMIT p_limit
$$;

CREATE FUNCTION due_schedules(p_limit integer) RETURNS TABLE (schedule_id uuid, company uuid)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT s.id, s.company_id FROM schedules s JOIN integrations i ON i.id = s.integration_id
    WHERE s.enabled AND s.next_due_at <= clock_timestamp() AND integration_runs(i)
    ORDER BY s.next_due_at LIMIT p_limit
$$;

-- The company of an integration, deleted ones too; no row for an id that never existed.
CREATE FUNCTION company_of_integration(p_integration uuid) RETURNS TABLE (company uuid)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT i.company_id FROM integrations i WHERE i.id = p_integration
$$;

-- Every integration by id and company: what the secrets' table is rewritten from.
CREATE FUNCTION all_integrations() RETURNS TABLE (integration uuid, company uuid)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT i.id, i.company_id FROM integrations i
    WHERE i.deleted_at IS NULL OR i.deleted_at > clock_timestamp() - interval '30 days'
$$;

CREATE FUNCTION queue_figures()
    RETURNS TABLE (processing bigint, due bigint, oldest_due_age_s double precision)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT
        (SELECT count(*) FROM sync_queue WHERE status = 'processing'),
        count(*) FILTER (WHERE q.scheduled_at <= clock_timestamp()),
        coalesce(extract(epoch FROM max(clock_timestamp() - q.scheduled_at)
            FILTER (WHERE q.scheduled_at <= clock_timestamp())), 0)::double precision
    FROM sync_queue q JOIN integrations i ON i.id = q.integration_id
    WHERE q.status = 'pending' AND integration_runs(i)
$$;

-- Held jobs look again each hour, in case the event that ends their wait was missed; jobs done a day ago leave.
CREATE FUNCTION tend_queue() RETURNS TABLE (woken bigint, purged bigint)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH woken AS (
        UPDATE sync_queue SET scheduled_at = clock_timestamp()
        WHERE status = 'pending' AND hold_reason IS NOT NULL AND scheduled_at = 'infinity'
            AND coalesce(started_at, created_at) < clock_timestamp() - interval '1 hour' RETURNING 1
    ), purged AS (
        DELETE FROM sync_queue WHERE status = 'completed' AND completed_at < clock_timestamp() - interval '24 hours'
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM woken), (SELECT count(*) FROM purged)
$$;

DO $$
DECLARE
    signature text;
BEGIN
    -- Handing a function over needs membership and, for a moment, the right to create in the schema.
    EXECUTE format('GRANT liaison_dispatch TO %I', current_user);
    GRANT CREATE ON SCHEMA public TO liaison_dispatch;
    FOREACH signature IN ARRAY ARRAY[
        'claim_job(uuid, integer, integer, interval, integer)', 'due_jobs(integer, integer, integer, integer)',
        'due_schedules(integer)', 'company_of_integration(uuid)', 'all_integrations()', 'queue_figures()', 'tend_queue()']
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO liaison_dispatch', signature);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', signature);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO liaison_app', signature);
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM liaison_dispatch;
END $$;
GRANT EXECUTE ON FUNCTION integration_runs(integrations) TO liaison_dispatch;
