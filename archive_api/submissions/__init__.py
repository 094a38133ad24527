"""Submissions: draft, content, statement, seals, withdrawal."""
