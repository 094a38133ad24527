"""What brings an archive back: kept facts, rebuilding, checking, backups (docs/recovery.md)."""
