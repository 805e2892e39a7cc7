"""From an observation to the rows that it asks for: the merge of one record."""
