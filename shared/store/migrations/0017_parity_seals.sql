-- How each link and its record stood when they were last found in step: what has not changed since is not examined anew.
-- A seal goes with its link, so that nothing of an erased person stays here.
CREATE TABLE parity_seals (
    link_id uuid PRIMARY KEY REFERENCES external_entity_map ON DELETE CASCADE,
    company_id uuid NOT NULL REFERENCES companies,
    seal bytea NOT NULL,
    fields_compared smallint NOT NULL,
    fields_hidden smallint NOT NULL
);
SELECT isolate_by_company('parity_seals');
GRANT SELECT, INSERT, UPDATE, DELETE ON parity_seals TO liaison_app;
