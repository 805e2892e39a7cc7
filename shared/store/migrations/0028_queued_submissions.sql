-- Archived submissions too: deleting an integration ends them with the others.
DROP INDEX records_application_queued;
CREATE INDEX records_application_queued ON records_application (company_id, id) WHERE submission ->> 'state' = 'queued';
