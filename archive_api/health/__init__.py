"""Whether the engines answer, and what ledger this is."""
