"""Generated EPCIS documents: all five event types with everything that enters the hash."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

GS1 = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
DRAFT = "https://gs1.github.io/EPCIS/epcis-context.jsonld"

NAMESPACES = {
    "example": "http://ns.example.com/epcis/",
    "ext": "http://ns.example.com/ext#",
    "yunshang": "urn:yunshang:supply:",
    "bare": "http://ns.example.com/bare",
    "gs1": "https://gs1.org/voc/",
    "cbv": "https://ref.gs1.org/cbv/",
}
STEPS = ["shipping", "receiving", "commissioning", "installing", "accepting", "urn:yunshang:supply:step:sampling"]
DISPOSITIONS = ["in_transit", "in_progress", "conformant", "active", "https://example.com/disp/ok"]
EPCS = [
    "urn:epc:id:sgtin:0614141.107346.2017",
    "urn:epc:id:sgtin:4012345.011111.a%2Fb",
    "urn:epc:id:sscc:4012345.1111111111",
    "urn:epc:id:giai:4000001.12345",
    "urn:epc:id:grai:4012345.55555.987",
    "urn:epc:id:itip:4012345.011111.01.02.987",
    "https://id.gs1.org/01/70614141123451/21/2017",
    "http://example.com/some/01/70614141123451/10/L1/21/S1?x=1",
    "https://example.com/gtin/614141123452/ser/7",
    "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "https://example.com/thing/1.2",
]
CLASSES = [
    "urn:epc:class:lgtin:4012345.012345.998877",
    "urn:epc:idpat:sgtin:4012345.066666.*",
    "https://id.gs1.org/01/04012345123456/10/ABC",
    "https://example.com/class/brick",
]
PLACES = [
    "urn:epc:id:sgln:0614141.07346.1234",
    "urn:epc:id:sgln:0614141.00777.0",
    "https://id.gs1.org/414/4012345000054",
]
WORDS = [
    *("shipping", "Temperature", "x", "po", "incorrect_data", "in_transit", "location", "ALARM_CONDITION", "receiving"),
    *(
        "007",
        "1.50",
        "+3",
        "1e3",
        "-0",
        "0.10",
        "1_000",
        "NaN",
        "12345678901234567890",
        " padded ",
        "",
        "true",
        "1.",
        "x.y",
    ),
    *(
        "example:foo",
        "ext:bar",
        "cbv:BizStep-shipping",
        "gs1:Temperature",
        "none:such",
        "yunshang:step",
        "bare:x",
        "a:b",
    ),
    *("https://ref.gs1.org/cbv/BizStep-shipping", "https://gs1.org/voc/Temperature", "https://gs1.org/voc/a-b"),
    *(
        "urn:epcglobal:cbv:bizstep:shipping",
        "see urn:epcglobal:cbv:disp:active",
        "2013-06-08T14:58:56.591Z",
        "云上城建",
    ),
    *("gs1", "cbv/BizStep-shipping", "voc/Temperature", "eventTime", "action", "{x}", "１２"),
]

texts = st.sampled_from(WORDS + EPCS + CLASSES) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8
)
numbers = st.integers(-(10**6), 10**6) | st.floats(-1e9, 1e9).map(lambda number: round(number, 4))
amounts = st.integers(0, 10**9) | st.floats(0, 1e7).map(lambda number: round(number, 3)) | st.just(1e22) | st.just(5e-7)


@st.composite
def times(draw: st.DrawFn) -> str:
    day = draw(st.sampled_from(["2013-06-08", "2020-02-29", "1999-12-31", "2024-01-01"]))
    second = draw(st.sampled_from(["00:00:00", "23:59:59", "14:58:56"]))
    # From .9995 on the reference loses the event: tested by itself.
    fraction = draw(st.sampled_from(["", ".5", ".591", ".1164", ".1165", ".11650", ".116499999", ".9994", ".0005"]))
    return day + "T" + second + fraction + draw(st.sampled_from(["Z", "+00:00", "-06:00", "+05:30", "+14:00"]))


def extension_names(prefixes: list[str]) -> st.SearchStrategy[str]:
    locals_ = ["a", "b", "c", "partList", "time", "transaction", "eventTimes", "quantity", "epcList", "childEPCs"]
    return st.builds("{}:{}".format, st.sampled_from(prefixes), st.sampled_from(locals_))


BARE = ["foo", "deviceID", "uom", "bizStep", "inputQuantity", "quantity", "outputEPC", "childEPCs", "#text"]


@st.composite
def values(draw: st.DrawFn, names: st.SearchStrategy[str], depth: int = 3) -> Any:
    """Values of extensions; within them bare words too, of which JSON-LD knows some."""
    shape = draw(st.sampled_from(["text", "text", "number", "other", "list", "object"][: 6 if depth else 4]))
    match shape:
        case "text":
            return draw(texts)
        case "number":
            return draw(numbers)
        case "other":
            return draw(st.sampled_from([True, False, None]))
        case "list":
            return draw(st.lists(values(names, depth - 1), max_size=3))
        case _:
            members = st.dictionaries(names | st.sampled_from(BARE), values(names, depth - 1), max_size=3)
            return _text_only(draw(members))


def _text_only(value: dict[str, Any]) -> dict[str, Any]:
    """`#text` and members that JSON-LD has as one text must be that, or the reference stumbles."""
    for name in ("#text", "bizStep", "deviceID"):
        if name in value and not isinstance(value[name], str):
            value[name] = "text"
    return value


def _some(draw: st.DrawFn, **members: st.SearchStrategy[Any]) -> dict[str, Any]:
    return {name: draw(strategy) for name, strategy in members.items() if draw(st.booleans())}


@st.composite
def quantities(draw: st.DrawFn) -> dict[str, Any]:
    element: dict[str, Any] = {"epcClass": draw(st.sampled_from(CLASSES))}
    return element | _some(draw, quantity=amounts, uom=st.sampled_from(["KGM", "MTQ", "C62"]))


def pairs(item: str, kinds: list[str], values_: list[str], *, optional: bool = False) -> st.SearchStrategy[Any]:
    # Type first: the reference takes the order of the document, the standard says this one.
    both = st.builds(lambda kind, value: {"type": kind, item: value}, st.sampled_from(kinds), st.sampled_from(values_))
    return st.lists(both, min_size=0 if optional else 1, max_size=3)


@st.composite
def sensor_elements(draw: st.DrawFn, names: st.SearchStrategy[str]) -> dict[str, Any]:
    uris = st.sampled_from(
        ["urn:epc:id:giai:4000001.111", "https://id.gs1.org/8004/4000001111", "https://example.org/x"]
    )
    element: dict[str, Any] = {}
    if draw(st.booleans()):
        element["sensorMetadata"] = _some(
            draw, time=times(), startTime=times(), endTime=times(), deviceID=uris, rawData=uris, bizRules=uris
        )
        if draw(st.booleans()):
            element["sensorMetadata"][draw(names)] = draw(values(names))
    element["sensorReport"] = [
        {"type": draw(st.sampled_from(["Temperature", "Speed", "https://example.com/Wobble"]))}
        | _some(
            draw,
            exception=st.sampled_from(["ALARM_CONDITION", "https://example.com/alarm"]),
            value=numbers,
            component=st.sampled_from(["x", "altitude", "example:x"]),
            stringValue=texts,
            booleanValue=st.booleans(),
            hexBinaryValue=st.sampled_from(["f0f0", "00"]),
            uriValue=uris,
            time=times(),
            sDev=amounts,
            uom=st.sampled_from(["CEL", "KMH"]),
            coordinateReferenceSystem=uris,
        )
        | (draw(st.dictionaries(names, values(names), max_size=2)) if draw(st.booleans()) else {})
        for _ in range(draw(st.integers(1, 2)))
    ]
    if draw(st.booleans()):
        element |= draw(st.dictionaries(names, values(names), max_size=2))
    return element


@st.composite
def events(draw: st.DrawFn, names: st.SearchStrategy[str]) -> dict[str, Any]:
    """One valid event."""
    kind = draw(st.sampled_from([*("Object", "Aggregation", "Transaction", "Transformation", "Association")])) + "Event"
    epcs = st.lists(st.sampled_from(EPCS), min_size=1, max_size=3, unique=True)
    amounts_ = st.lists(quantities(), min_size=1, max_size=2)
    transactions = pairs(
        "bizTransaction", ["po", "inv", "urn:example:btt:x"], ["urn:epcglobal:cbv:bt:1:2", "https://x.org/1"]
    )
    event: dict[str, Any] = {
        "type": kind,
        "eventTime": draw(times()),
        "eventTimeZoneOffset": draw(st.sampled_from(["+08:00", "-06:00", "+00:00"])),
    }
    if kind == "TransformationEvent":
        event |= {"inputEPCList": draw(epcs), "outputEPCList": draw(epcs)}
        event |= _some(draw, inputQuantityList=amounts_, outputQuantityList=amounts_)
        event |= _some(draw, transformationID=st.sampled_from(EPCS))
    else:
        event["action"] = draw(st.sampled_from(["ADD", "OBSERVE", "DELETE"]))
        own = {"ObjectEvent": "epcList", "TransactionEvent": "epcList"}.get(kind, "childEPCs")
        event[own] = draw(epcs)
        event |= _some(draw, **{"childQuantityList" if own == "childEPCs" else "quantityList": amounts_})
        if own == "childEPCs" or (draw(st.booleans()) and kind == "TransactionEvent"):
            event["parentID"] = draw(
                st.sampled_from(["urn:epc:id:sscc:4012345.2222222222", "https://example.com/pallet"])
            )
    if kind == "TransactionEvent":
        event["bizTransactionList"] = draw(transactions)
    else:
        event |= _some(draw, bizTransactionList=transactions)
    if kind in ("ObjectEvent", "TransformationEvent"):
        words = st.lists(st.sampled_from(DISPOSITIONS), min_size=1, max_size=2, unique=True)
        if draw(st.booleans()):
            event["persistentDisposition"] = {"set": draw(words)} | _some(draw, unset=words)
        if kind == "TransformationEvent" or event["action"] == "ADD":
            event |= _some(draw, ilmd=st.dictionaries(names, values(names), max_size=3))
    parties = ["urn:epc:id:pgln:4012345.00225", "https://id.gs1.org/417/4012345002256"]
    event |= _some(
        draw,
        eventID=st.uuids().map(lambda name: f"urn:uuid:{name}"),
        recordTime=times(),
        certificationInfo=st.just("https://accreditation.example.org/1.2") | st.just(["https://a.example", "urn:x:y"]),
        bizStep=st.sampled_from(STEPS),
        disposition=st.sampled_from(DISPOSITIONS),
        readPoint=st.builds(dict, id=st.sampled_from(PLACES)),
        bizLocation=st.builds(dict, id=st.sampled_from(PLACES)),
        sourceList=pairs("source", ["owning_party", "location"], parties, optional=True),
        destinationList=pairs("destination", ["possessing_party", "urn:example:sdt:x"], parties),
        sensorElementList=st.lists(sensor_elements(names), max_size=2),
        errorDeclaration=st.just({"declarationTime": "2020-01-01T00:00:00Z", "reason": "incorrect_data"}),
    )
    if "readPoint" in event and draw(st.booleans()):
        event["readPoint"] |= draw(st.dictionaries(names, values(names), max_size=2))
    event |= draw(st.dictionaries(names, values(names), max_size=3))
    return dict(draw(st.permutations(list(event.items()))))


@st.composite
def documents(draw: st.DrawFn, *, most: int = 1) -> dict[str, Any]:
    """A valid EPCISDocument."""
    prefixes = draw(st.lists(st.sampled_from(list(NAMESPACES)), max_size=4, unique=True))
    context: Any = [draw(st.sampled_from([GS1, DRAFT])), *({name: NAMESPACES[name]} for name in prefixes)]
    if not prefixes and draw(st.booleans()):
        context = context[0]
    names = extension_names([*prefixes, "unbound", "cbvmda"])
    return {
        "@context": context,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2024-01-01T00:00:00Z",
        "epcisBody": {"eventList": draw(st.lists(events(names), min_size=1, max_size=most))},
    }
