"""People's decisions on what waits for them."""
