"""The command `yunshang-verify`: needs no server, no database and no web framework."""

from ledger.cli.verify import main

__all__ = ["main"]
