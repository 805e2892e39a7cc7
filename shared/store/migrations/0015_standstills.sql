-- What makes work wait: open breakers, quiet hours, caps. What is noticed: knocks that vanish, dead letters that are alike.

ALTER TABLE integrations ADD COLUMN blocked_reason text;    -- rate_limited, breaker_open: why nothing runs before blocked_until
GRANT SELECT (blocked_reason) ON integrations TO liaison_operator;

-- `config.quiet_hours`: {"time_zone": "Europe/Berlin", "spans": ["08:00-18:00", "22:00-06:00"]}. A zone that this server
-- does not know means no quiet hours: one company's setting must never stop the claims of all.
CREATE FUNCTION is_quiet(p_config jsonb, p_moment timestamptz) RETURNS boolean
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    wall time;
BEGIN
    IF p_config -> 'quiet_hours' IS NULL THEN
        RETURN false;
    END IF;
    wall := (p_moment AT TIME ZONE (p_config #>> '{quiet_hours,time_zone}'))::time;
    RETURN EXISTS (
        SELECT FROM jsonb_array_elements_text(p_config #> '{quiet_hours,spans}') AS span
        CROSS JOIN LATERAL (
            SELECT split_part(span, '-', 1)::time AS begins, split_part(span, '-', 2)::time AS ends) AS hours
        WHERE CASE WHEN hours.begins < hours.ends THEN wall >= hours.begins AND wall < hours.ends
            ELSE wall >= hours.begins OR wall < hours.ends END);
EXCEPTION WHEN data_exception THEN
    RETURN false;
END $$;

-- The last priority up to p_high that may start at an integration now: 1 while it stands still, 7 in quiet hours.
CREATE FUNCTION last_priority(i integrations, p_high integer) RETURNS integer
    LANGUAGE sql STABLE
    RETURN CASE WHEN NOT integration_runs(i) THEN 1
        WHEN p_high > 7 AND is_quiet(i.config, clock_timestamp()) THEN 7
        ELSE p_high END;

-- As in 0005, with a cap per company (*p_company_cap*, NULL: none): claims of one company go one after another.
CREATE FUNCTION lease_job(p_company uuid, p_integration uuid, p_job uuid, p_priority integer, p_ttl interval, p_cap integer,
    p_company_cap integer) RETURNS TABLE (job_id uuid, company uuid, token bigint, job_priority integer)
    LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    chosen uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('claim ' || p_company::text, 0));
    IF p_cap <= (SELECT count(*) FROM sync_queue q
                 WHERE q.integration_id = p_integration AND q.status = 'processing' AND q.lease_until >= moment)
        OR p_company_cap <= (SELECT count(*) FROM sync_queue q JOIN integrations i ON i.id = q.integration_id
                 WHERE i.company_id = p_company AND q.status = 'processing' AND q.lease_until >= moment) THEN
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
-- integration run at once, over all instances, and p_company_cap of one company, which urgent jobs are not held to: a
-- company's bulk must not keep its own webhooks waiting.
CREATE FUNCTION claim_job(p_job uuid, p_low integer, p_high integer, p_ttl interval, p_cap integer,
    p_company_cap integer DEFAULT NULL)
    RETURNS TABLE (job_id uuid, company uuid, token bigint, job_priority integer)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    moment timestamptz := clock_timestamp();
    company_cap integer := CASE WHEN p_low > 3 THEN p_company_cap END;
    turn bigint;
    choice record;
BEGIN
    FOR choice IN
        SELECT q.company_id, q.integration_id FROM sync_queue q JOIN integrations i ON i.id = q.integration_id
        WHERE q.id = p_job AND q.priority <= last_priority(i, 10)
            AND (q.status = 'pending' AND is_due_if_named(q, moment) OR q.status = 'processing' AND q.lease_until < moment)
    LOOP
        RETURN QUERY SELECT * FROM lease_job(
            choice.company_id, choice.integration_id, p_job, NULL, p_ttl, p_cap, company_cap);
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
            SELECT r.company_id, sum(r.jobs) AS jobs, sum(r.alike) AS alike FROM running r GROUP BY r.company_id
        ), due AS (
            -- One look into the index for each priority: rows that wait are never walked over.
            SELECT i.id AS integration_id, i.company_id, level AS priority, first.due_at
            FROM integrations i
            CROSS JOIN LATERAL generate_series(p_low, last_priority(i, p_high)) AS level
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
                AND q.priority BETWEEN p_low AND last_priority(i, p_high)
            GROUP BY q.integration_id, q.company_id, q.priority
        ), claimable AS (
            SELECT d.*, coalesce(c.alike, 0) AS alike, dense_rank() OVER (ORDER BY d.company_id) AS place
            FROM due d LEFT JOIN running r ON r.integration_id = d.integration_id
            LEFT JOIN companies_running c ON c.company_id = d.company_id
            WHERE coalesce(r.jobs, 0) < p_cap AND (company_cap IS NULL OR coalesce(c.jobs, 0) < company_cap)
        )
        SELECT c.company_id, c.integration_id, c.priority
        FROM claimable c
        -- Companies take turns, those with the least running first, however long another's backlog is. Within a
        -- company ten minutes of waiting outweigh one step of priority.
        ORDER BY c.alike, (c.place + turn) % (SELECT max(place) FROM claimable),
            c.priority - extract(epoch FROM moment - c.due_at) / 600.0, c.due_at
    LOOP
        RETURN QUERY SELECT * FROM lease_job(
            choice.company_id, choice.integration_id, NULL, choice.priority, p_ttl, p_cap, company_cap);
        IF FOUND THEN
            RETURN;
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION due_jobs(p_low integer, p_high integer, p_per_integration integer, p_limit integer)
    RETURNS TABLE (job_id uuid, company uuid, job_epoch integer)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    WITH running AS MATERIALIZED (
        SELECT q.integration_id, count(*) AS jobs FROM sync_queue q
        WHERE q.status = 'processing' AND q.lease_until >= statement_timestamp() GROUP BY q.integration_id
    ), due AS (
        SELECT i.company_id, i.id AS integration_id, first.*
        FROM integrations i
        CROSS JOIN LATERAL generate_series(p_low, last_priority(i, p_high)) AS level
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
            AND q.priority BETWEEN p_low AND last_priority(i, p_high)
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

CREATE OR REPLACE FUNCTION queue_figures()
    RETURNS TABLE (processing bigint, due bigint, oldest_due_age_s double precision)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT
        (SELECT count(*) FROM sync_queue WHERE status = 'processing'),
        count(*) FILTER (WHERE q.scheduled_at <= clock_timestamp()),
        coalesce(extract(epoch FROM max(clock_timestamp() - q.scheduled_at)
            FILTER (WHERE q.scheduled_at <= clock_timestamp())), 0)::double precision
    FROM sync_queue q JOIN integrations i ON i.id = q.integration_id
    WHERE q.status = 'pending' AND integration_runs(i) AND q.priority <= last_priority(i, q.priority)
$$;

-- How many knocks were sent to a queue and how many reached a worker of ours. Whoever else listens there makes a gap.
CREATE TABLE knock_traffic (
    queue text PRIMARY KEY,
    sent bigint NOT NULL DEFAULT 0,
    received bigint NOT NULL DEFAULT 0,
    waiting bigint NOT NULL DEFAULT 0,            -- messages that lay there at the last look
    looked_sent bigint NOT NULL DEFAULT 0,        -- *sent* and *received* at the last look
    looked_received bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0,            -- vanished in a row of looks
    vanishing_since timestamptz
);
GRANT SELECT, INSERT, UPDATE ON knock_traffic TO liaison_app;
GRANT SELECT ON knock_traffic TO liaison_operator;

-- Whose people were told that knocks of a queue vanish.
CREATE POLICY dispatch ON issues FOR SELECT TO liaison_dispatch USING (kind = 'knocks_vanish');
GRANT SELECT (company_id, integration_id, kind, subject, ended_at) ON issues TO liaison_dispatch;
CREATE FUNCTION told_of_vanishing(p_queue text) RETURNS TABLE (company uuid, integration uuid)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT i.company_id, i.integration_id FROM issues i
    WHERE i.kind = 'knocks_vanish' AND i.subject = p_queue AND i.ended_at IS NULL
$$;

-- Causes that differ in numbers and ids alone are alike.
ALTER TABLE dead_letters
    ADD COLUMN cause_alike text GENERATED ALWAYS AS (
        left(regexp_replace(cause, '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+', '#', 'g'), 300)) STORED,
    ADD COLUMN group_key text GENERATED ALWAYS AS (md5(integration_id::text || '/' || action || '/' || entity_type || '/'
        || code || '/'
        || left(regexp_replace(cause, '[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+', '#', 'g'), 300))) STORED;
CREATE INDEX dead_letters_group ON dead_letters (company_id, group_key, created_at) WHERE state = 'open';

DO $$
BEGIN
    GRANT CREATE ON SCHEMA public TO liaison_dispatch;
    DROP FUNCTION claim_job(uuid, integer, integer, interval, integer);
    DROP FUNCTION lease_job(uuid, uuid, integer, interval, integer);
    ALTER FUNCTION claim_job(uuid, integer, integer, interval, integer, integer) OWNER TO liaison_dispatch;
    REVOKE ALL ON FUNCTION claim_job(uuid, integer, integer, interval, integer, integer) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION claim_job(uuid, integer, integer, interval, integer, integer) TO liaison_app;
    ALTER FUNCTION told_of_vanishing(text) OWNER TO liaison_dispatch;
    REVOKE ALL ON FUNCTION told_of_vanishing(text) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION told_of_vanishing(text) TO liaison_app;
    REVOKE CREATE ON SCHEMA public FROM liaison_dispatch;
END $$;
REVOKE ALL ON FUNCTION lease_job(uuid, uuid, uuid, integer, interval, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lease_job(uuid, uuid, uuid, integer, interval, integer, integer),
    last_priority(integrations, integer), is_quiet(jsonb, timestamptz) TO liaison_dispatch;
