"""Between the processes of one home: what must be recorded goes to the one that writes the logs (ADR 0024)."""
