-- Whose people are told that their vendor can't be reached, and since when last: the sweep holds it against the breaker.
CREATE POLICY dispatch_breakers ON issues FOR SELECT TO liaison_dispatch USING (kind = 'vendor_unreachable');
GRANT SELECT (last_seen_at) ON issues TO liaison_dispatch;
CREATE INDEX issues_unreachable ON issues (integration_id) WHERE kind = 'vendor_unreachable' AND ended_at IS NULL;
CREATE FUNCTION told_of_breakers() RETURNS TABLE (company uuid, integration uuid, told_at timestamptz)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT i.company_id, i.integration_id, i.last_seen_at FROM issues i
    WHERE i.kind = 'vendor_unreachable' AND i.ended_at IS NULL AND i.integration_id IS NOT NULL
$$;

GRANT CREATE ON SCHEMA public TO liaison_dispatch;
ALTER FUNCTION told_of_breakers() OWNER TO liaison_dispatch;
REVOKE ALL ON FUNCTION told_of_breakers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION told_of_breakers() TO liaison_app;
REVOKE CREATE ON SCHEMA public FROM liaison_dispatch;
