"""What an integration brings in and how it is put into our words: `config.mapping`. Pure: no I/O (docs/mapping.md)."""
