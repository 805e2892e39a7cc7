-- A dead letter that is not to be redriven: who said so, and why.
ALTER TABLE dead_letters
    ADD COLUMN ended_by text,                  -- the subject of a token
    ADD COLUMN ended_reason text,
    ADD CONSTRAINT dismissed_with_reason
        CHECK (state <> 'dismissed' OR ended_by IS NOT NULL AND ended_reason <> '');
