"""Supply chains: EPCIS events, the construction profile, traces and findings."""
