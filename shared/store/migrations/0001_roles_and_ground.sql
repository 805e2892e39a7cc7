-- Roles, sequences and the ground rules of tenant isolation.
-- liaison_app: the functions. liaison_dispatch: owns the few functions that cross companies. liaison_operator: people who
-- run Liaison; reads operational tables of all companies and no personal record. Passwords are set by the deploy step.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'liaison_app') THEN
        CREATE ROLE liaison_app LOGIN NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'liaison_dispatch') THEN
        CREATE ROLE liaison_dispatch NOLOGIN NOBYPASSRLS;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'liaison_operator') THEN
        CREATE ROLE liaison_operator LOGIN NOBYPASSRLS;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- two databases of one cluster migrate at once
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO liaison_app, liaison_dispatch, liaison_operator;

-- Every request that is sent to a vendor takes a number first; an older observation never beats a newer one.
CREATE SEQUENCE IF NOT EXISTS observation_seq;
CREATE SEQUENCE IF NOT EXISTS lease_seq;
GRANT USAGE, SELECT ON SEQUENCE observation_seq, lease_seq TO liaison_app, liaison_dispatch;

-- The company of this transaction; NULL outside one, so that nothing is visible by accident.
CREATE OR REPLACE FUNCTION app_company() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('app.company', true), '')::uuid;

-- Called once for each table that belongs to a company, partitions included.
CREATE OR REPLACE FUNCTION isolate_by_company(target regclass, company_column text DEFAULT 'company_id') RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('DROP POLICY IF EXISTS company ON %s', target);
    EXECUTE format(
        'CREATE POLICY company ON %s TO liaison_app USING (%I = app_company()) WITH CHECK (%I = app_company())',
        target, company_column, company_column);
END $$;
REVOKE EXECUTE ON FUNCTION isolate_by_company(regclass, text) FROM PUBLIC;

CREATE TABLE heartbeats (
    name text PRIMARY KEY,
    at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON heartbeats TO liaison_app;
GRANT SELECT ON heartbeats TO liaison_operator;
