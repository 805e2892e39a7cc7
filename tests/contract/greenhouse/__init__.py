"""The Greenhouse adapter against the Greenhouse simulator, over HTTP on loopback."""
