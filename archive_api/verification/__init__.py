"""Verification of files, digests and bundles."""
