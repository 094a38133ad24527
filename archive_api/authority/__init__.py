"""The development authority as a service: a process of its own has its keys, the archive's server never sees them."""
