-- Who archived a record: a person, or the candidate with whom an application went. Null: nobody did, a system was followed.
-- What somebody archived is restored by somebody alone; pulls and events leave it where it is.
ALTER TABLE records ADD COLUMN archived_by text;

-- Links whose records are to be deleted at the vendor too, because they were archived here while `config.on_archive`
-- said so. `sent` is committed before the call: until its answer, nobody knows whether the vendor has the record.
-- `revoked`: restored here in that time, so that it shall not go, but may be gone.
CREATE TABLE removals (
    link_id uuid PRIMARY KEY REFERENCES external_entity_map ON DELETE CASCADE,
    company_id uuid NOT NULL REFERENCES companies,
    state text NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'sent', 'done', 'kept', 'refused',
        'revoked')),
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    detail text                                   -- why it was refused: the vendor's words
);
SELECT isolate_by_company('removals');
GRANT SELECT, INSERT, UPDATE, DELETE ON removals TO liaison_app;
