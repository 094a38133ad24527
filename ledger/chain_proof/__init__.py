"""Block headers, the seals of validators and receipts: what proves offline that an event is in a block.

Source: docs/formats.md section 15.
"""
