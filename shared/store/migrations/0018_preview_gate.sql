-- The preview after which outbound may be switched on; nobody's once the vendor is called otherwise than it was then.
ALTER TABLE integrations
    ADD COLUMN previewed_at timestamptz,
    ADD COLUMN previewed_by text,              -- who looked: the subject of a token
    ADD COLUMN previewed_entities text[];      -- what was read
