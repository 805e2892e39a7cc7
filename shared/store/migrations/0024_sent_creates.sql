-- What a create was made of, sealed under the person's key, while nobody knows what became of the call: its record
-- there is found by what the vendor was given, whatever has been edited here since. It goes when the intent ends.
ALTER TABLE create_intents
    ADD COLUMN sent_sealed bytea,
    DROP CONSTRAINT create_intents_state_check,
    ADD CONSTRAINT create_intents_state_check CHECK (state IN ('open', 'linked', 'review', 'withdrawn'));
