"""What those who run a server see of it: log lines, metrics, traces."""
