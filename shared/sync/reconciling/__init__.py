"""One record and one integration: fetch, merge, write ours, write theirs."""
