-- Applications that were submitted and have not come to their vendor: looked up whenever a direction opens or closes.
CREATE INDEX records_application_queued ON records_application (company_id, id)
    WHERE submission ->> 'state' = 'queued' AND archived_at IS NULL;
