-- Thirty days after a connection was deleted nothing of it is needed any more: whose tombstones may go.
CREATE FUNCTION forgotten_integrations() RETURNS TABLE (integration uuid, company uuid)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT i.id, i.company_id FROM integrations i
    WHERE i.deleted_at < clock_timestamp() - interval '30 days' AND i.webhook_secret_sealed IS NOT NULL
$$;
GRANT CREATE ON SCHEMA public TO liaison_dispatch;
ALTER FUNCTION forgotten_integrations() OWNER TO liaison_dispatch;
REVOKE ALL ON FUNCTION forgotten_integrations() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forgotten_integrations() TO liaison_app;
REVOKE CREATE ON SCHEMA public FROM liaison_dispatch;
