"""The operators' command line: `python -m shared.cli`."""
