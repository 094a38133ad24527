"""What the commands print: Chinese first, English second; with `--json` one document on standard output.

Standard output carries results only. Progress, notes and error texts go to standard error, so a pipe stays clean.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ledger.texts import visible

__all__ = ["Advance", "Output"]


class Advance(Protocol):
    """Called with the number of units done since the last call."""

    def __call__(self, step: int, /) -> None: ...


class Output:
    """The terminal of one command.

    Args:
        as_json: print the result as one JSON document and everything else to standard error.
    """

    __slots__ = ("as_json", "error_console", "result_console")

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.error_console = Console(stderr=True, highlight=False, emoji=False)
        self.result_console = self.error_console if as_json else Console(highlight=False, emoji=False)

    def note(self, zh: str, en: str) -> None:
        """Say what is being done, on standard error."""
        self.error_console.print(f"[cyan]{escape(zh)}[/]  [dim]{escape(en)}[/]", soft_wrap=True)

    def say(self, zh: str, en: str, *, style: str = "") -> None:
        """Say a result: standard output for people, standard error beside `--json`."""
        text = escape(zh)
        text = f"[{style}]{text}[/]" if style else text
        self.result_console.print(f"{text}  [dim]{escape(en)}[/]", soft_wrap=True)

    def warn(self, zh: str, en: str) -> None:
        """Say what deserves attention, on standard error."""
        self.error_console.print(f"[yellow]注意：{escape(zh)}[/]  [dim]{escape(en)}[/]", soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table for people; nothing beside `--json`."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*("—" if cell is None else escape(visible(str(cell))) for cell in row))
        self.result_console.print(table)

    def result(self, document: object) -> None:
        """Print the command's document as one line, if `--json` was given."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def error(self, zh: str, en: str, document: Mapping[str, object]) -> None:
        """Say why the command stopped; with `--json` the document goes to standard output as well."""
        self.error_console.print(f"[bold red]错误：{escape(zh)}[/]", soft_wrap=True)
        self.error_console.print(f"[red]error: {escape(en)}[/]", soft_wrap=True)
        self.result({"error": dict(document)})

    @contextmanager
    def progress(self, zh: str, en: str, total: int) -> Iterator[Advance]:
        """Show a progress bar on standard error (a line at start and end where it is not a terminal).

        Args:
            zh: what is done, Chinese.
            en: what is done, English.
            total: how many units there are.
        """
        if not self.error_console.is_terminal:
            self.note(f"{zh}（{total}）", f"{en} ({total})")
            yield lambda step, /: None
            return
        columns = (
            TextColumn("[cyan]{task.description}[/]"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.error_console, transient=True) as bar:
            task = bar.add_task(f"{zh} {en}", total=total)
            yield lambda step, /: bar.advance(task, step)
