-- After a change of the root secret: a person's key is kept wrapped under the new one, in place of its salt.
GRANT UPDATE (kid, salt) ON person_keys TO liaison_app;
COMMENT ON COLUMN person_keys.salt IS
    'what the person''s key is derived from (32 bytes), or the key itself, wrapped under the root kid (61 bytes)';

-- Every company by id: what is sealed is sealed anew company by company.
CREATE POLICY dispatch ON companies FOR SELECT TO liaison_dispatch USING (true);
GRANT SELECT (id) ON companies TO liaison_dispatch;
CREATE FUNCTION all_companies() RETURNS TABLE (company uuid)
    LANGUAGE sql SECURITY DEFINER STABLE SET search_path = public, pg_temp AS $$
    SELECT c.id FROM companies c ORDER BY c.id
$$;

GRANT CREATE ON SCHEMA public TO liaison_dispatch;
ALTER FUNCTION all_companies() OWNER TO liaison_dispatch;
REVOKE ALL ON FUNCTION all_companies() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION all_companies() TO liaison_app;
REVOKE CREATE ON SCHEMA public FROM liaison_dispatch;
