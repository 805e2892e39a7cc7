-- Each issue is an integration's: nothing ever raised one that was the company's alone, and nobody could have seen it.
ALTER TABLE issues NO FORCE ROW LEVEL SECURITY;
DELETE FROM issues WHERE integration_id IS NULL;
ALTER TABLE issues FORCE ROW LEVEL SECURITY;
ALTER TABLE issues ALTER COLUMN integration_id SET NOT NULL;
DROP INDEX issues_open;
CREATE UNIQUE INDEX issues_open ON issues (integration_id, kind, subject, company_id) WHERE ended_at IS NULL;
