"""A page, or one record, into the database: one transaction, a fixed number of statements."""
