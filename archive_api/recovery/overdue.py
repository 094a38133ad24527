"""Whether an archive was checked lately, and what came of it, by the entries of its log `fixity`."""

from __future__ import annotations

from datetime import datetime, timedelta

from ledger import fields
from ledger.log.proofs import TileReader
from ledger.log.server_entries import FixityEntry
from ledger.log.tiles import ENTRIES, TILE_WIDTH, Tile, parse_entries

__all__ = ["checked_lately"]


def checked_lately(tiles: TileReader, size: int, *, now: datetime, within: timedelta) -> list[tuple[str, str]]:
    """What keeps the newest check from being good news, as code and text; nothing: it passed, and is no older.

    Args:
        tiles: of the log.
        size: its entries under a verified checkpoint.
        now: present time.
        within: how old the newest check may be.

    Raises:
        NotFoundError, MalformedError: the newest entry is not there, or is none.
    """
    if size == 0:
        return [("check_missing", "expected a check in the log, got none")]
    index, place = divmod(size - 1, TILE_WIDTH)
    entry = FixityEntry.parse(parse_entries(tiles.read(Tile(ENTRIES, index, place + 1)), place + 1)[-1])
    doubts: list[tuple[str, str]] = []
    if now - entry.time > within:
        text = f"expected a check within {within.days} days, got one of {fields.utc_text(entry.time)}"
        doubts.append(("check_overdue", text))
    if entry.outcome == "failed" and entry.repaired < entry.finding_count:
        left = entry.finding_count - entry.repaired
        doubts.append(
            ("check_failed", f"expected a check that passed, got one with {left} findings that were not mended")
        )
    elif entry.outcome == "indeterminate":
        doubts.append(("check_incomplete", "expected a check of everything, got one that could not check everything"))
    return doubts
