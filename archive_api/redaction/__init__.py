"""Desensitised copies (脱敏副本) of PDF files; on the owner's machine only, the server has no part in it.

A copy is made of pixels: each page is rendered, what is to go is painted over in the picture, and a new file is built
of the pictures alone. So there is no text, font, metadata, attachment, annotation, hidden layer or older revision in it
that could still be read. Source: docs/adr/0009-redaction-by-pixels.md.
"""

from archive_api.redaction.redact import Box, Redaction, TermNotFoundError, redact_pdf

__all__ = ["Box", "Redaction", "TermNotFoundError", "redact_pdf"]
