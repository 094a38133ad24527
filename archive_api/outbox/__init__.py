"""What has to happen on chain: jobs written with the rows they belong to, and the journal of raw transactions."""
