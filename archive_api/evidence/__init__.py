"""Evidence bundles built from rows and store."""
