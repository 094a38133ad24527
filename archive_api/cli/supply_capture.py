"""`yunshang supply capture|events`: report events under one's own seal, and look them up."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from archive_api.cli.context import connect, find_building
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
from archive_api.cli.supply import EventsArgument, read_events, read_file
from archive_api.client.supply import SupplyClient, prepare_capture
from ledger.supply.times import instant

__all__ = ["capture", "events"]

_STREAMS: Final = ("supply", "funds")
_WAIT_SECONDS: Final = 10.0
_SHOWN: Final = 20

BuildingOption = Annotated[
    str, typer.Option("--building", help="建筑键、标识或 scheme:value The building's key, identifier or scheme:value.")
]
StreamOption = Annotated[
    str, typer.Option("--stream", help="数据流：supply 供应链，funds 资金 The stream: supply or funds.")
]


def capture(
    path: EventsArgument,
    *,
    building: BuildingOption,
    stream: StreamOption = "supply",
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
    """读取事件、在本机签章并报送，整批接收或整批退回。Read events, seal them on this machine and report them.

    What is sealed is computed here from the file: each event's record, and the root over all of them. The key stays
    here. The archive takes all of the events or none of them; known ones are refused with their ids.

    Examples:

        yunshang supply capture arrivals.jsonld --building 440106-YX0001 --key keys/91440101MA5Y3K7TXY.p12

        yunshang supply capture payments.jsonld --building 440106-YX0001 --stream funds --key owner.p12 --yes --json
    """
    output = Output(as_json)
    _require_stream(stream)
    place = sealing_key(key, passphrase_file, pkcs11=pkcs11, token=token, pin_file=pin_file, certificate=certificate)
    trusted = load_trust(home, trust)
    read_events(path)  # refuses with all findings; what is sealed and sent is what is read below
    client = connect(home, api)
    building_key = str(find_building(client, building)["building_key"])
    prepared = prepare_capture(read_file(path), building_key=building_key, stream=stream)
    _show(output, prepared.hash_ids, stream)
    if not (yes or as_json):
        typer.confirm("以上事件签章并报送？ Seal and report these?", abort=True, err=True)
    with place.open() as store:
        seal = seal_payload(prepared.payload(trusted.domain), store)
    supply = SupplyClient(client.connection, building_key, stream=stream)
    job = supply.capture(prepared, seal)
    own_id = prepared.capture_id(trusted.domain)
    if job["captureID"] != own_id:
        raise CommandError(
            f"档案馆答复的报送编号不是本机计算的：{job['captureID']}",
            f"expected the capture {own_id}, got {job['captureID']} from the archive",
            code="capture_id",
        )
    job = _placed(supply, own_id, job)
    first = job.get("firstIndex")
    output.say(f"已报送：{own_id}", f"captured {len(prepared.events)} events", style="green")
    if first is None:
        output.warn("尚未编入日志，稍后可查", "its places in the log are still to come")
    else:
        output.say(f"日志位置：{first} 起", f"places {first} to {first + len(prepared.events) - 1} of the log")
    output.result(
        {
            "capture_id": own_id,
            "building_key": building_key,
            "stream": stream,
            "first_index": first,
            "content_cid": job.get("contentCid"),
            "hash_ids": list(prepared.hash_ids),
        }
    )


def events(
    *,
    building: BuildingOption,
    stream: StreamOption = "supply",
    epc: Annotated[
        list[str] | None, typer.Option("--epc", help="涉及此编码（物、批次）的事件 Events with this EPC, class or lot.")
    ] = None,
    step: Annotated[list[str] | None, typer.Option("--step", help="业务步骤 Business step, such as arriving.")] = None,
    event_id: Annotated[str | None, typer.Option("--id", help="事件标识或哈希标识 eventID or hash id.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="事件时间不早于 Events from this time on, RFC 3339.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="最多列出 At most so many.")] = 1_000,
    home: HomeOption = DEFAULT_HOME,
    api: ApiOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出一栋建筑的事件，新的在前。List a building's events, newest first.

    Examples:

        yunshang supply events --building 440106-YX0001 --step installing

        yunshang supply events --building 440106-YX0001 --epc urn:epc:class:lgtin:9521321.012345.L002 --json
    """
    output = Output(as_json)
    _require_stream(stream)
    client = connect(home, api)
    building_key = str(find_building(client, building)["building_key"])
    supply = SupplyClient(client.connection, building_key, stream=stream)
    if event_id is not None:
        found = supply.event(event_id)
    else:
        wanted = {"orderBy": "eventTime", "eventCountLimit": str(limit)}
        wanted |= {"EQ_bizStep": "|".join(step)} if step else {}
        wanted |= {"GE_eventTime": since} if since else {}
        found = _matching(supply, wanted, epc)[:limit]
    output.table(
        "事件 Events",
        ["时间 time", "类型 type", "步骤 step", "对象 things", "标识 id"],
        [[_time(item), item["type"], item.get("bizStep"), _things(item), item["eventID"]] for item in found],
    )
    output.result({"items": found})


def _matching(supply: SupplyClient, wanted: dict[str, str], epc: list[str] | None) -> list[dict[str, Any]]:
    """A name may be that of a piece or that of a class or lot: EPCIS asks for these apart."""
    if not epc:
        return list(supply.events(wanted))
    found: dict[str, dict[str, Any]] = {}
    for parameter in ("MATCH_anyEPC", "MATCH_anyEPCClass"):
        for item in supply.events({**wanted, parameter: "|".join(epc)}):
            found[f"{item['eventID']} {item['recordTime']} {'errorDeclaration' in item}"] = item
    return sorted(found.values(), key=lambda item: instant(item["eventTime"]), reverse=True)


def _placed(supply: SupplyClient, capture_id: str, job: dict[str, Any]) -> dict[str, Any]:
    """The job once its events have their places, or as it is after a while."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while job.get("firstIndex") is None and time.monotonic() < deadline:
        time.sleep(0.2)
        job = supply.job(capture_id)
    return job


def _show(output: Output, hash_ids: Any, stream: str) -> None:
    output.note(f"将签章 {len(hash_ids)} 个事件（{stream}）：", f"{len(hash_ids)} events to be sealed:")
    for hash_id in hash_ids[:_SHOWN]:
        output.note(f"  {hash_id}", "")
    if len(hash_ids) > _SHOWN:
        output.note(f"  另有 {len(hash_ids) - _SHOWN} 个", f"and {len(hash_ids) - _SHOWN} more")


def _time(event: dict[str, Any]) -> str:
    return str(event["eventTime"])[:19].replace("T", " ")


def _things(event: dict[str, Any]) -> str:
    lists = [event.get(name) or [] for name in ("epcList", "childEPCs", "inputEPCList", "outputEPCList")]
    names = [item for held in lists for item in held]
    quantities = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")
    names += [item.get("epcClass") for name in quantities for item in event.get(name) or []]
    return "、".join(str(name) for name in names[:3]) + ("…" if len(names) > 3 else "")


def _require_stream(stream: str) -> None:
    if stream not in _STREAMS:
        raise CommandError(
            f"数据流须为 supply 或 funds，得到 {stream}",
            f"expected supply or funds, got {stream}",
            code="usage",
            exit_code=USAGE,
        )
