-- What people should see of an integration is listed newest first; the operators read it for all companies. Neither
-- table holds a value of a record: both name fields and rules, and a vendor's words are redacted before they are kept.
CREATE INDEX issues_listed ON issues (integration_id, opened_at DESC, id DESC);
CREATE INDEX quarantine_listed ON quarantine (integration_id, first_seen_at DESC, id DESC);
CREATE POLICY operator ON issues FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON issues TO liaison_operator;
CREATE POLICY operator ON quarantine FOR SELECT TO liaison_operator USING (true);
GRANT SELECT ON quarantine TO liaison_operator;
