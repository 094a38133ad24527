"""Evidence of single records: events, payments, versions of data sets."""
