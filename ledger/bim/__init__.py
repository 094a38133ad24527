"""The fingerprint of a BIM model's meaning: reading STEP files, digests, proofs of elements, differences.

Normative page: docs/bim-fingerprint.md.
"""
