"""`yunshang document …`: single documents, before they are handed over and after."""

from __future__ import annotations

import typer

from archive_api.cli.fetching import fetch
from archive_api.cli.redaction import redact

__all__ = ["app"]

app = typer.Typer(help="文件：脱敏副本、下载与解密。Documents: desensitised copies; fetching and opening.")


@app.callback()
def _document() -> None:
    """文件。Single documents."""


app.command("redact")(redact)
app.command("fetch")(fetch)
