"""The access log: who did what, provable and complete, with personal data only as salted hashes."""
