-- What must cross companies: claiming, sweeping, schedules, health. These functions run as liaison_dispatch, return ids,
-- company and priority, and nothing else; the caller then works inside that one company.

-- An integration's jobs run unless it is paused, needs people, must wait, or is gone. Priority 1 is kept for telling the
-- webhook intake about secrets and states, which has to happen exactly then.
CREATE FUNCTION integration_runs(i integrations) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN i.sync_enabled AND i.attention IS NULL AND i.deleted_at IS NULL
        AND coalesce(i.blocked_until, '-infinity') <= clock_timestamp();

-- Whose turn it is among companies with due jobs, per queue.
CREATE SEQUENCE turn_urgent;
CREATE SEQUENCE turn_normal;
CREATE SEQUENCE turn_bulk;
GRANT USAGE ON SEQUENCE turn_urgent, turn_normal, turn_bulk TO liaison_dispatch;

-- A message may come two seconds early. One that comes again after a failure that nobody foresaw comes when the host
-- likes; until then the job is only kept from the others, so that the host goes on counting.
CREATE FUNCTION is_due_if_named(q sync_queue, moment timestamptz) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    RETURN q.scheduled_at <= moment + interval '2 s'
        OR q.error_code IS NOT DISTINCT FROM 'unforeseen' AND q.scheduled_at < 'infinity';

-- Leases one due job of an integration: *p_job*, or the first of *p_priority* whose worker is gone or whose time has come.
-- No row: it runs as many as it may, or others were faster. Counting and leasing of one integration happen one after
-- another, so that the cap holds; the lock lasts until the commit, and is given up with the block where nothing is
-- leased, so that nobody waits for one lock while holding another.
CREATE FUNCTION lease_job(p_integration uuid, p_job uuid, p_priority integer, p_ttl interval, p_cap integer)
    RETURNS TABLE (job_id uuid, company uuid, token bigint, job_priority integer)
    LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    chosen uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('claim ' || p_integration::text, 0));
    IF p_cap <= (SELECT count(*) FROM sync_queue q
                 WHERE q.integration_id = p_integration AND q.status = 'processing' AND q.lease_until >= moment) THEN
        RAISE EXCEPTION SQLSTATE 'LI001';
    END IF;
    IF p_job IS NOT NULL THEN
        SELECT q.id INTO chosen FROM sync_queue q
        WHERE q.id = p_job AND (q.status = 'pending' AND is_due_if_named(q, moment)
                                OR q.status = 'processing' AND q.lease_until < moment)
        FOR UPDATE SKIP LOCKED;
    ELSE
        SELECT q.id INTO chosen FROM sync_queue q
        WHERE q.integration_id = p_integration AND q.status = 'processing' AND q.lease_until < moment
            AND q.priority = p_priority
        ORDER BY q.lease_until LIMIT 1 FOR UPDATE SKIP LOCKED;
        IF chosen IS NULL THEN
            SELECT q.id INTO chosen FROM sync_queue q
            WHERE q.integration_id = p_integration AND q.status = 'pending' AND q.priority = p_priority
                AND q.scheduled_at <= moment
            ORDER BY q.scheduled_at LIMIT 1 FOR UPDATE SKIP LOCKED;
        END IF;
    END IF;
    IF chosen IS NULL THEN
        RAISE EXCEPTION SQLSTATE 'LI001';
    END IF;
    RETURN QUERY UPDATE sync_queue q SET
        status = 'processing', lease_token = nextval('lease_seq'), lease_until = clock_timestamp() + p_ttl,
        claimed_seq = q.requested_seq, started_at = clock_timestamp(), hold_reason = NULL,
        crashes = q.crashes + (q.status = 'processing')::integer
    WHERE q.id = chosen
    RETURNING q.id, q.company_id, q.lease_token, q.priority;
EXCEPTION WHEN SQLSTATE 'LI001' OR lock_not_available THEN
    RETURN;
END $$;

-- Claims *p_job* if it is due, else the fairest due job with a priority in p_low..p_high; at most p_cap jobs of one
-- integration run at once, over all instances. No row: nothing may run now.
CREATE FUNCTION claim_job(p_job uuid, p_low integer, p_high integer, p_ttl interval, p_cap integer)
    RETURNS TABLE (job_id uuid, company uuid, token bigint, job_priority integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    turn bigint;
    choice record;
BEGIN
    FOR choice IN
        SELECT q.integration_id FROM sync_queue q JOIN integrations i ON i.id = q.integration_id
        WHERE q.id = p_job AND (integration_runs(i) OR q.priority = 1)
            AND (q.status = 'pending' AND is_due_if_named(q, moment) OR q.status = 'processing' AND q.lease_until < moment)
    LOOP
        RETURN QUERY SELECT * FROM lease_job(choice.integration_id, p_job, NULL, p_ttl, p_cap);
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
    turn := nextval(CASE WHEN p_low <= 3 THEN 'turn_urgent' WHEN p_low <= 7 THEN 'turn_normal' ELSE 'turn_bulk' END);
    FOR choice IN
        WITH running AS MATERIALIZED (
            SELECT q.integration_id, q.company_id, count(*) AS jobs,
                count(*) FILTER (WHERE q.priority BETWEEN p_low AND p_high) AS alike
            FROM sync_queue q WHERE q.status = 'processing' AND q.lease_until >= moment
            GROUP BY q.integration_id, q.company_id
        ), companies_running AS (
            SELECT r.company_id, sum(r.alike) AS jobs FROM running r GROUP BY r.company_id
        ), due AS (
            -- One look into the index for each priority: rows that wait are never walked over.
            SELECT i.id AS integration_id, i.company_id, level AS priority, first.due_at
            FROM integrations i
            CROSS JOIN LATERAL generate_series(p_low, CASE WHEN integration_runs(i) THEN p_high ELSE 1 END) AS level
            CROSS JOIN LATERAL (
                SELECT q.scheduled_at AS due_at FROM sync_queue q
                WHERE q.integration_id = i.id AND q.status = 'pending' AND q.priority = level
                    AND q.scheduled_at <= moment
                ORDER BY q.scheduled_at LIMIT 1
            ) AS first
            UNION ALL
            SELECT q.integration_id, q.company_id, q.priority, min(q.lease_until)
            FROM sync_queue q JOIN integrations i ON i.id = q.integration_id
            WHERE q.status = 'processing' AND q.lease_until < moment
                AND q.priority BETWEEN p_low AND CASE WHEN integration_runs(i) THEN p_high ELSE 1 END
            GROUP BY q.integration_id, q.company_id, q.priority
        ), claimable AS (
            SELECT d.*, dense_rank() OVER (ORDER BY d.company_id) AS place
            FROM due d LEFT JOIN running r ON r.integration_id = d.integration_id
            WHERE coalesce(r.jobs, 0) < p_cap
        )
        SELECT c.integration_id, c.priority
        FROM claimable c LEFT JOIN companies_running r ON r.company_id = c.company_id
        -- Companies take turns, those with the least running first, however long another's backlog is. Within a
        -- company ten minutes of waiting outweigh one step of priority.
        ORDER BY coalesce(r.jobs, 0), (c.place + turn) % (SELECT max(place) FROM claimable),
            c.priority - extract(epoch FROM moment - c.due_at) / 600.0, c.due_at
    LOOP
        RETURN QUERY SELECT * FROM lease_job(choice.integration_id, NULL, choice.priority, p_ttl, p_cap);
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
END $$;

-- Jobs that are due or whose worker is gone: what the sweep knocks for. Of one integration at most as many as may run
-- beside those that do (*p_per_integration*), and every company's first before anybody's second.
CREATE FUNCTION due_jobs(p_low integer, p_high integer, p_per_integration integer, p_limit integer)
    RETURNS TABLE (job_id uuid, company uuid, job_epoch integer)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    WITH running AS MATERIALIZED (
        SELECT q.integration_id, count(*) AS jobs FROM sync_queue q
        WHERE q.status = 'processing' AND q.lease_until >= statement_timestamp() GROUP BY q.integration_id
    ), due AS (
        SELECT i.company_id, i.id AS integration_id, first.*
        FROM integrations i
        CROSS JOIN LATERAL generate_series(p_low, CASE WHEN integration_runs(i) THEN p_high ELSE 1 END) AS level
        CROSS JOIN LATERAL (
            SELECT q.id, q.epoch, q.priority, q.scheduled_at AS due_at FROM sync_queue q
            WHERE q.integration_id = i.id AND q.status = 'pending' AND q.priority = level
                AND q.scheduled_at <= statement_timestamp()
            ORDER BY q.scheduled_at LIMIT p_per_integration
        ) AS first
        UNION ALL
        SELECT q.company_id, q.integration_id, q.id, q.epoch, q.priority, q.lease_until
        FROM sync_queue q JOIN integrations i ON i.id = q.integration_id
        WHERE q.status = 'processing' AND q.lease_until < statement_timestamp()
            AND q.priority BETWEEN p_low AND CASE WHEN integration_runs(i) THEN p_high ELSE 1 END
    ), possible AS (
        SELECT d.*, row_number() OVER (PARTITION BY d.integration_id ORDER BY d.priority, d.due_at) AS place
        FROM due d
    ), fair AS (
        SELECT p.*, row_number() OVER (PARTITION BY p.company_id ORDER BY p.priority, p.due_at) AS turn
        FROM possible p LEFT JOIN running r ON r.integration_id = p.integration_id
        WHERE p.place <= p_per_integration - coalesce(r.jobs, 0)
    )
    SELECT f.id, f.company_id, f.epoch FROM fair f ORDER BY f.turn, f.priority, f.due_at LIMIT p_limit
$$;

-- Counted from on the wall clock of the schedule's zone, so that neither a late tick nor a change to summer time moves it.
ALTER TABLE schedules ADD COLUMN anchor_at timestamptz;

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
REVOKE ALL ON FUNCTION lease_job(uuid, uuid, integer, interval, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION integration_runs(integrations), is_due_if_named(sync_queue, timestamptz),
    lease_job(uuid, uuid, integer, interval, integer) TO liaison_dispatch;
