"""People who become one, here or at a vendor, and two again."""
