"""Commands of the tool chain: `make help` lists what they are for."""
