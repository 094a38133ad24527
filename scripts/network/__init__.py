"""The engines of a city's network on one machine: their configuration, their processes, and `make network`."""
