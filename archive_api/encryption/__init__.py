"""Encryption certificates of organisations, and wrapped data keys of restricted documents. The server opens neither."""
