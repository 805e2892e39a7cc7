-- Vendors' records that an integration's filter left out and that others refer to: what hangs on them stays out as well,
-- instead of asking for them again and again. *filter* names the filter; under another one a row says nothing.
CREATE TABLE left_out (
    company_id uuid NOT NULL REFERENCES companies,
    integration_id uuid NOT NULL REFERENCES integrations,
    entity_type text NOT NULL,
    external_id text NOT NULL,
    filter text NOT NULL,
    PRIMARY KEY (integration_id, entity_type, external_id, filter)
);
SELECT isolate_by_company('left_out');
GRANT SELECT, INSERT, DELETE ON left_out TO liaison_app;
