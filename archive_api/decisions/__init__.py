"""What the archive decides on a submission, and its receipts."""
