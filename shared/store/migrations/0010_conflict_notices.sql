-- What people are told, once each: who is to know, of what, and never a value. Channels read from here.
CREATE TABLE notices (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    company_id uuid NOT NULL REFERENCES companies,
    kind text NOT NULL,                           -- conflict_waiting, conflict_overdue, …
    audience text NOT NULL,                       -- the role that is told
    conflict_id uuid REFERENCES conflicts,
    entity_type text,
    record_id uuid,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX notices_once ON notices (conflict_id, kind) WHERE conflict_id IS NOT NULL;
CREATE INDEX notices_listing ON notices (company_id, at DESC, id DESC);
SELECT isolate_by_company('notices');
GRANT SELECT, INSERT ON notices TO liaison_app;

ALTER TABLE conflicts ADD COLUMN reminded_at timestamptz;  -- when its being overdue was told
CREATE INDEX conflicts_unreminded ON conflicts (opened_at) WHERE status = 'open' AND reminded_at IS NULL;

-- Companies in which something waits for a person since longer than it may, and nobody was reminded yet.
GRANT SELECT (company_id, status, opened_at, reminded_at) ON conflicts TO liaison_dispatch;
CREATE POLICY dispatch ON conflicts FOR SELECT TO liaison_dispatch USING (true);
CREATE FUNCTION companies_to_remind(p_after interval) RETURNS TABLE (company uuid)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT DISTINCT c.company_id FROM conflicts c
    WHERE c.status = 'open' AND c.reminded_at IS NULL AND c.opened_at < clock_timestamp() - p_after
$$;
GRANT CREATE ON SCHEMA public TO liaison_dispatch;
ALTER FUNCTION companies_to_remind(interval) OWNER TO liaison_dispatch;
REVOKE ALL ON FUNCTION companies_to_remind(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION companies_to_remind(interval) TO liaison_app;
REVOKE CREATE ON SCHEMA public FROM liaison_dispatch;
