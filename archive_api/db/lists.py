"""One value for a list of any length in a query of text: a mark for each of hundreds costs more than the look-up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlmodel import Session

__all__ = ["among"]


def among(session: Session, name: str, items: Iterable[str]) -> tuple[str, Any]:
    """What stands behind a column's name for "is one of these", and the value of the parameter in it.

    Args:
        session: of the query.
        name: of the parameter.
        items: the list.
    """
    if session.get_bind().dialect.name == "postgresql":
        return f"= ANY(:{name})", list(items)
    marked = f"IN (SELECT value FROM json_each(:{name}))"  # noqa: S608 - the name is ours
    return marked, json.dumps(list(items))
