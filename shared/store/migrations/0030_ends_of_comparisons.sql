-- Jobs done a day ago are found by their end, not among all that were done today, and leave some at a time.
CREATE INDEX sync_queue_completed ON sync_queue (completed_at) WHERE status = 'completed';

-- Held jobs look again each hour, in case the event that ends their wait was missed; jobs done a day ago leave.
CREATE OR REPLACE FUNCTION tend_queue() RETURNS TABLE (woken bigint, purged bigint)
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH woken AS (
        UPDATE sync_queue SET scheduled_at = clock_timestamp()
        WHERE status = 'pending' AND hold_reason IS NOT NULL AND scheduled_at = 'infinity'
            AND coalesce(started_at, created_at) < clock_timestamp() - interval '1 hour' RETURNING 1
    ), purged AS (
        DELETE FROM sync_queue WHERE id IN (
            SELECT id FROM sync_queue
            WHERE status = 'completed' AND completed_at < statement_timestamp() - interval '24 hours'
            ORDER BY completed_at LIMIT 5000 FOR UPDATE SKIP LOCKED)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM woken), (SELECT count(*) FROM purged)
$$;

-- What the vendor listed without an id is part of no comparison: one that met such rows is not complete.
ALTER TABLE parity_runs ADD COLUMN unnamed integer NOT NULL DEFAULT 0;

-- A connection long gone is forgotten with its comparisons and brakes.
GRANT DELETE ON delete_brakes TO liaison_app;
