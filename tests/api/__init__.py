"""The REST API in one process with real engines: catalogue, block store, embedded node."""
