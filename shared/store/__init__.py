"""Everything that is kept: PostgreSQL, blobs, tables and queues."""
