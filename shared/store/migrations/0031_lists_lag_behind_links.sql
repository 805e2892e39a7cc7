-- A list may lag behind all that a link says, not behind our writes alone: last_synced_at tells of both.
ALTER TABLE external_entity_map DROP COLUMN written_at;
