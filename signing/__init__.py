"""E-seals: certificates and paths, key stores, the CAdES template, and verdicts on seals."""
