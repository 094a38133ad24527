"""`yunshang db`: which schema the catalogue has, and bringing it to this version's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archive_api.cli.failures import FAILED, USAGE, CommandError
from archive_api.cli.options import JsonOption
from archive_api.cli.output import Output

if TYPE_CHECKING:
    from archive_api.db.engine import Database
    from archive_api.db.schema import SchemaState

__all__ = ["app"]

app = typer.Typer(
    name="db",
    help="目录库的结构版本与升级。The catalogue's schema: which it is, and bringing it up to date.",
    no_args_is_help=True,
)
PlaceOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        envvar="YUNSHANG_HOME",
        help="档案馆目录；不给时用环境变量 YUNSHANG_DATABASE_URL 或 YUNSHANG_DATABASE_URL_FILE"
        " The archive's home; without it the database of YUNSHANG_DATABASE_URL or YUNSHANG_DATABASE_URL_FILE.",
    ),
]


@app.command()
def current(*, home: PlaceOption = None, as_json: JsonOption = False) -> None:
    """查看目录库的结构版本。Show the catalogue's schema, and whether this version works on it.

    Exit code 0: it does; 1: it does not.

    Examples:

        yunshang db current --home var/home

        YUNSHANG_DATABASE_URL_FILE=/etc/yunshang/database-url yunshang db current --json
    """
    from archive_api.db.schema import schema_state

    output = Output(as_json)
    with _catalogue(home, writing=False) as database:
        state = schema_state(database)
    output.result(_shown(state))
    if not as_json:
        word = ("可以使用", "this version works on it") if state.is_usable else ("不能使用", "this version does not")
        output.say(f"结构版本 {state.current or '无'}，本程序 {state.head}：{word[0]}", word[1])
    if not state.is_usable:
        raise typer.Exit(FAILED)


@app.command()
def upgrade(*, home: PlaceOption = None, as_json: JsonOption = False) -> None:
    """把目录库升级到本程序的结构版本。Bring the catalogue to this version's schema; may be repeated.

    Servers of the version before go on running meanwhile on PostgreSQL; a home's server has to be stopped.

    Examples:

        yunshang db upgrade --home var/home

        YUNSHANG_DATABASE_URL_FILE=/etc/yunshang/database-url yunshang db upgrade
    """
    from archive_api.db.schema import schema_state
    from archive_api.db.schema import upgrade as bring_up

    output = Output(as_json)
    with _catalogue(home, writing=True) as database:
        before = bring_up(database)
        after = schema_state(database)
    output.result({"before": before.current, **_shown(after)})
    if not as_json:
        output.say(f"结构版本 {before.current or '无'} → {after.current}", "the catalogue's schema")


@contextmanager
def _catalogue(home: Path | None, *, writing: bool) -> Iterator[Database]:
    from contextlib import ExitStack

    from archive_api.db.engine import Database
    from archive_api.home import load_home
    from archive_api.serve import locked_home

    with ExitStack() as stack:
        if home is not None:
            place = load_home(home)
            if writing:
                stack.enter_context(locked_home(place))
            elif not place.database_path.exists():
                raise CommandError(
                    f"还没有目录库：{place.database_path}",
                    f"expected a catalogue, got no {place.database_path}: it is made by the first start",
                    code="no_catalogue",
                )
            url = f"sqlite:///{place.database_path}"
        else:
            url = _configured()
        database = Database(url)
        stack.callback(database.close)
        yield database


def _configured() -> str:
    from pydantic import ValidationError

    from archive_api.db.settings import DatabaseSettings

    try:
        return DatabaseSettings().database_url
    except ValidationError as error:
        raise CommandError(
            "请给出 --home，或环境变量 YUNSHANG_DATABASE_URL、YUNSHANG_DATABASE_URL_FILE 之一",
            "expected --home, or one of YUNSHANG_DATABASE_URL and YUNSHANG_DATABASE_URL_FILE: "
            f"{'; '.join(item['msg'] for item in error.errors())}",
            code="usage",
            exit_code=USAGE,
        ) from error


def _shown(state: SchemaState) -> dict[str, object]:
    return {
        "current": state.current,
        "head": state.head,
        "usable": state.is_usable,
        "newer": not state.is_known,
        "misfits": list(state.misfits),
    }
