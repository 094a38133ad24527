"""The catalogue: one database, its transactions and its migrations."""
