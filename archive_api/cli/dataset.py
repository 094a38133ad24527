"""`yunshang dataset register|list`: versions of the city model's data sets, sealed on this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from archive_api.cli.context import connect
from archive_api.cli.facts import media_type_of
from archive_api.cli.failures import USAGE, CommandError
from archive_api.cli.keys import sealing_key
from archive_api.cli.options import (
    DEFAULT_HOME,
    ApiOption,
    CertificateOption,
    HomeOption,
    JsonOption,
    KeyOption,
    PassphraseFileOption,
    PinFileOption,
    Pkcs11Option,
    TokenOption,
    TrustOption,
)
from archive_api.cli.output import Output
from archive_api.cli.review import load_trust
from archive_api.cli.sealing import seal_payload
from archive_api.client.datasets import DatasetClient, dataset_payload
from ledger.cli.verify import digest_file
from ledger.lineage.prov_import import read_prov
from ledger.lineage.prov_reading import MAX_PROV_BYTES
from ledger.lineage.record import DATASET_FORMAT, LEVELS, DatasetRef, DatasetVersion
from ledger.texts import visible

__all__ = ["app"]

app = typer.Typer(help="数据集：登记版本与来源。Data sets: versions and where they came from.")

LEVEL_NAMES: Final = dict(zip(LEVELS, ("公开", "内部", "限阅", "秘密"), strict=True))
_DIGEST_MARK: Final = ",sha256:"


@app.command("register")
def register(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="数据集文件 The data set's file; it stays here.")],
    *,
    dataset: Annotated[str, typer.Option("--id", help="数据集名称，如 URI Name of the data set, such as a URI.")],
    version: Annotated[str, typer.Option("--version", help="版本号 The version.")],
    title: Annotated[str | None, typer.Option("--title", help="标题 Title.")] = None,
    level: Annotated[
        str | None, typer.Option("--level", help="密级 public, internal, restricted or secret; default internal.")
    ] = None,
    producer: Annotated[
        str | None, typer.Option("--producer", help="生产单位代码，默认为签章单位 Code; default: who seals.")
    ] = None,
    media_type: Annotated[str | None, typer.Option("--media-type", help="媒体类型 Default: by the name.")] = None,
    collected: Annotated[
        str | None,
        typer.Option("--collected", metavar="BEGIN/END", help="采集时间 UTC, such as 2026-03-01T00:00:00Z/…"),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source",
            metavar="DATASET@VERSION|URI[,sha256:HEX]",
            help="来源，可多次；已登记的版本取其摘要 A source; may be repeated.",
        ),
    ] = None,
    activity: Annotated[str | None, typer.Option("--activity", help="加工内容 What was done.")] = None,
    software: Annotated[
        list[str] | None, typer.Option("--software", metavar="NAME[@VERSION]", help="所用软件 A program that was used.")
    ] = None,
    performed_by: Annotated[
        str | None, typer.Option("--performed-by", help="加工单位代码 Code of the organisation that did it.")
    ] = None,
    prov: Annotated[
        Path | None, typer.Option("--from", metavar="PROV.json", help="取自 PROV-JSON 文件 Take it from PROV-JSON.")
    ] = None,
    entity: Annotated[
        str | None, typer.Option("--entity", help="PROV 文件中的实体 Which entity of it: URI or qualified name.")
    ] = None,
    key: KeyOption = None,
    pkcs11: Pkcs11Option = None,
    token: TokenOption = None,
    pin_file: PinFileOption = None,
    certificate: CertificateOption = None,
    passphrase_file: PassphraseFileOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="不再询问 Do not ask for confirmation.")] = False,
    trust: TrustOption = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """登记数据集的一个版本，由责任单位签章。Register a version of a data set under the responsible party's seal.

    The file's size and SHA-256 are computed here and only the record is sent. Who seals answers for it. A version is
    never changed: register a new one.

    Examples:

        yunshang dataset register roads.geojson --id urn:gz:cim:roads --version 2026.1 --title 道路中心线
        --source urn:gz:cim:survey@2026 --key keys/91440101MA5Y3K7TXY.p12

        yunshang dataset register roads.csv --id roads --version 2 --from prov.json --key k.p12 --yes --json
    """
    output = Output(as_json)
    place = sealing_key(key, passphrase_file, pkcs11=pkcs11, token=token, pin_file=pin_file, certificate=certificate)
    trusted = load_trust(home, trust)
    client = DatasetClient(connect(home, api).connection)
    digests = digest_file(path)
    given: dict[str, Any] = {
        "dataset": dataset,
        "version": version,
        "size": digests.size,
        "sha256": digests.sha256.hex(),
    }
    optional: dict[str, Any] = {"title": title, "level": level, "producer": producer, "media_type": media_type}
    if collected is not None:
        begin, _, end = collected.partition("/")
        optional["collected"] = {"begin": begin, "end": end}
    given |= {name: value for name, value in optional.items() if value is not None}
    with place.open() as store:
        own = store.certificate.organisation_code
        if prov is not None:
            others = (source, activity, software, performed_by)
            record = _from_prov(prov, entity, given, path=path, own=own, others=others)
        else:
            made = _activity(activity, software or (), performed_by)
            record = _record(given, path=path, own=own, sources=_sources(source or (), client), activity=made)
        _show(output, record)
        if not (yes or as_json):
            typer.confirm("以上内容签章？ Seal this?", abort=True, err=True)
        seal = seal_payload(dataset_payload(record, trusted.domain), store)
    document = client.register(record, seal)
    output.say(f"已登记：{record.ref.text}", f"registered; record {document['record_sha256']}", style="green")
    output.result(document)


@app.command("list")
def list_versions(
    *,
    text: Annotated[str | None, typer.Option("--search", help="名称或标题的一部分 Part of a name or title.")] = None,
    dataset: Annotated[str | None, typer.Option("--id", help="只列这个数据集 One data set.")] = None,
    sha256: Annotated[str | None, typer.Option("--sha256", help="按内容摘要查找 By SHA-256 of the bytes.")] = None,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出可见的数据集版本，新的在前。Versions of data sets that you may know of, newest first.

    Examples:

        yunshang dataset list --search 道路

        yunshang dataset list --sha256 e3b0… --json
    """
    output = Output(as_json)
    found = list(DatasetClient(connect(home, api).connection).versions(q=text, dataset=dataset, sha256=sha256))
    output.table(
        f"数据集版本 Versions（{len(found)}）",
        ["名称 name", "版本", "标题 title", "密级 level", "责任单位 responsible", "SHA-256"],
        [
            [
                item["dataset"],
                item["version"],
                visible(item["title"]),
                f"{LEVEL_NAMES[item['level']]} {item['level']}",
                item["responsible_party"],
                item["sha256"][:16] + "…",
            ]
            for item in found
        ],
    )
    output.result({"versions": found})


def _defaults(path: Path, own: str) -> dict[str, Any]:
    """What stands where nothing else is said."""
    return {
        "title": path.stem,
        "level": "internal",
        "media_type": media_type_of(path.name),
        "producer": own,
        "responsible_party": own,
    }


def _from_prov(
    prov: Path, entity: str | None, given: Mapping[str, Any], *, path: Path, own: str, others: Sequence[object]
) -> DatasetVersion:
    if any(others):
        raise CommandError(
            "--from 与 --source、--activity、--software、--performed-by 不能同时使用",
            "expected --from or --source, --activity, --software and --performed-by, got both",
            code="usage",
            exit_code=USAGE,
        )
    with prov.open("rb") as file:
        data = file.read(MAX_PROV_BYTES + 1)
    return read_prov(data, entity=entity, given=given, defaults=_defaults(path, own))


def _record(
    given: Mapping[str, Any],
    *,
    path: Path,
    own: str,
    sources: list[dict[str, Any]],
    activity: Mapping[str, Any] | None,
) -> DatasetVersion:
    return DatasetVersion.from_json(
        {
            "activity": activity,
            "attributes": [],
            "collected": None,
            "derived_from": sources,
            "format": DATASET_FORMAT,
            **_defaults(path, own),
            **given,
        }
    )


def _sources(texts: Sequence[str], client: DatasetClient) -> list[dict[str, Any]]:
    """The sources of a command, in order; the digest of a registered version is the archive's word."""
    found: list[dict[str, Any]] = []
    for text in texts:
        name, mark, digest = text.partition(_DIGEST_MARK)
        if "@" in name and "://" not in name.partition("@")[2]:
            ref = DatasetRef.parse(name)
            sha256 = digest if mark else str(client.version(ref)["sha256"])
            found.append({"dataset": ref.dataset, "sha256": sha256, "version": ref.version})
        else:
            found.append({"sha256": digest if mark else None, "uri": name})
    return sorted(
        found,
        key=lambda item: (1, item["uri"], "") if "uri" in item else (0, item["dataset"], item["version"]),
    )


def _activity(what: str | None, software: Sequence[str], performed_by: str | None) -> dict[str, Any] | None:
    if what is None:
        if software or performed_by:
            raise CommandError(
                "--software、--performed-by 须与 --activity 一起使用",
                "expected --activity with --software and --performed-by, got none",
                code="usage",
                exit_code=USAGE,
            )
        return None
    programs = [(name, version or None) for name, _, version in (text.partition("@") for text in software)]
    return {
        "performed_by": performed_by,
        "period": None,
        "software": [
            {"name": name, "uri": None, "version": version}
            for name, version in sorted(programs, key=lambda item: (item[0], item[1] or ""))
        ],
        "what": what,
    }


def _show(output: Output, record: DatasetVersion) -> None:
    output.say(f"{record.ref.text}：{visible(record.title)}", "to be sealed", style="bold")
    rows: list[list[object]] = [
        ["密级 level", f"{LEVEL_NAMES[record.level]} {record.level}"],
        ["生产单位 producer", record.producer],
        ["责任单位 responsible party", record.responsible_party],
        ["大小 size", record.size],
        ["SHA-256", record.sha256.hex()],
        ["加工 activity", None if record.activity is None else record.activity.what],
    ]
    for source in record.derived_from:
        _, name, number = source.order
        rows.append(["来源 source", f"{name}@{number}" if number else name])
    rows += [["属性 attribute", f"{item.name} = {item.value}"] for item in record.attributes]
    output.table("记录 Record", ["项目 member", "内容 value"], rows)
