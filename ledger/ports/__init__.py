"""What the core needs of the outside, as protocols: `blobs` (content), `chain` and `calls` (the ledger's chain)."""
