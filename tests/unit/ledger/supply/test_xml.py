"""EPCIS XML: one event has one hash and one record in both bindings, and hostile XML is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.supply.document import DocumentError, read_document, read_event

from .documents import GS1
from .reference import reference_hashes, reference_xml_hashes

EX = {"example": "http://ns.example.com/epcis/"}


def xml(*events: str, version: str = "2", schema: str = "2.0") -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:{version}"'
        f' xmlns:example="http://ns.example.com/epcis/" schemaVersion="{schema}" creationDate="2024-01-01T00:00:00Z">'
        f"<EPCISBody><EventList>{''.join(events)}</EventList></EPCISBody></epcis:EPCISDocument>"
    )


WHEN = "<eventTime>2024-01-01T00:00:00.5+08:00</eventTime><eventTimeZoneOffset>+08:00</eventTimeZoneOffset>"
PLACE = "urn:epc:id:sgln:0614141.07346.1234"
BASE: dict[str, Any] = {"eventTime": "2024-01-01T00:00:00.5+08:00", "eventTimeZoneOffset": "+08:00"}
EPC, OTHER = "urn:epc:id:sgtin:0614141.107346.2017", "https://id.gs1.org/01/70614141123451/21/2018"
LOT = "urn:epc:class:lgtin:4012345.012345.998877"
QUANTITY = f"<quantityElement><epcClass>{LOT}</epcClass><quantity>200.50</quantity><uom>KGM</uom></quantityElement>"
AMOUNT = {"epcClass": LOT, "quantity": 200.5, "uom": "KGM"}

PAIRS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "object": (
        f"<ObjectEvent>{WHEN}<eventID>urn:uuid:374d95fc-9457-4a51-bd6a-0bba133845a8</eventID>"
        f"<epcList><epc>{EPC}</epc><epc>{OTHER}</epc></epcList><action>ADD</action>"
        "<bizStep>urn:epcglobal:cbv:bizstep:commissioning</bizStep>"
        "<disposition>https://ref.gs1.org/cbv/Disp-active</disposition>"
        f"<readPoint><id>{PLACE}</id><example:gate>7</example:gate></readPoint>"
        f"<quantityList>{QUANTITY}</quantityList>"
        '<bizTransactionList><bizTransaction type="urn:epcglobal:cbv:btt:po">urn:x:1</bizTransaction>'
        '<bizTransaction type="https://example.com/btt">urn:x:2</bizTransaction></bizTransactionList>'
        "<persistentDisposition><set>https://ref.gs1.org/cbv/Disp-conformant</set>"
        "<unset>urn:epcglobal:cbv:disp:damaged</unset></persistentDisposition>"
        "<ilmd><example:batch>007</example:batch></ilmd>"
        '<example:part kind="x">a<example:b>1.0</example:b><example:b>2</example:b></example:part>'
        "<example:partList><example:part>p</example:part><example:part>q</example:part></example:partList>"
        "<example:empty/></ObjectEvent>",
        {
            "type": "ObjectEvent",
            **BASE,
            "eventID": "urn:uuid:374d95fc-9457-4a51-bd6a-0bba133845a8",
            "epcList": [EPC, OTHER],
            "action": "ADD",
            "bizStep": "commissioning",
            "disposition": "active",
            "readPoint": {"id": PLACE, "example:gate": "7"},
            "quantityList": [AMOUNT],
            "bizTransactionList": [
                {"type": "po", "bizTransaction": "urn:x:1"},
                {"type": "https://example.com/btt", "bizTransaction": "urn:x:2"},
            ],
            "persistentDisposition": {"set": ["conformant"], "unset": ["damaged"]},
            "ilmd": {"example:batch": "007"},
            "example:part": {"#text": "a", "kind": "x", "example:b": ["1.0", "2"]},
            "example:partList": ["p", "q"],
            "example:empty": "",
        },
        True,
    ),
    "aggregation": (
        f"<AggregationEvent>{WHEN}<parentID>urn:epc:id:sscc:0614141.1234567890</parentID>"
        f"<childEPCs><epc>{EPC}</epc></childEPCs><action>OBSERVE</action>"
        f"<childQuantityList>{QUANTITY}<quantityElement><epcClass>urn:x:c</epcClass></quantityElement>"
        "</childQuantityList><bizLocation><id>urn:x:place</id></bizLocation>"
        f'<sourceList><source type="urn:epcglobal:cbv:sdt:location">{PLACE}</source></sourceList>'
        f'<destinationList><destination type="cbv:SDT-owning_party">{PLACE}</destination></destinationList>'
        "</AggregationEvent>",
        {
            "type": "AggregationEvent",
            **BASE,
            "parentID": "urn:epc:id:sscc:0614141.1234567890",
            "childEPCs": [EPC],
            "action": "OBSERVE",
            "childQuantityList": [AMOUNT, {"epcClass": "urn:x:c"}],
            "bizLocation": {"id": "urn:x:place"},
            "sourceList": [{"type": "location", "source": PLACE}],
            "destinationList": [{"type": "owning_party", "destination": PLACE}],
        },
        False,
    ),
    "transaction": (
        f'<TransactionEvent>{WHEN}<bizTransactionList><bizTransaction type="urn:epcglobal:cbv:btt:inv">urn:x:1'
        f"</bizTransaction></bizTransactionList><epcList><epc>{EPC}</epc></epcList><action>ADD</action>"
        "<certificationInfo>urn:x:a</certificationInfo><certificationInfo>urn:x:b</certificationInfo>"
        "</TransactionEvent>",
        {
            "type": "TransactionEvent",
            **BASE,
            "bizTransactionList": [{"type": "inv", "bizTransaction": "urn:x:1"}],
            "epcList": [EPC],
            "action": "ADD",
            "certificationInfo": ["urn:x:a", "urn:x:b"],
        },
        False,
    ),
    "transformation": (
        f"<TransformationEvent>{WHEN}<inputEPCList><epc>{EPC}</epc></inputEPCList>"
        f"<inputQuantityList>{QUANTITY}</inputQuantityList><outputEPCList><epc>{OTHER}</epc></outputEPCList>"
        f"<outputQuantityList>{QUANTITY}</outputQuantityList><transformationID>urn:x:t</transformationID>"
        "<errorDeclaration><declarationTime>2024-02-01T00:00:00Z</declarationTime>"
        "<reason>urn:epcglobal:cbv:er:incorrect_data</reason><correctiveEventIDs><correctiveEventID>urn:x:e"
        "</correctiveEventID></correctiveEventIDs><example:note>n</example:note></errorDeclaration>"
        "</TransformationEvent>",
        {
            "type": "TransformationEvent",
            **BASE,
            "inputEPCList": [EPC],
            "inputQuantityList": [AMOUNT],
            "outputEPCList": [OTHER],
            "outputQuantityList": [AMOUNT],
            "transformationID": "urn:x:t",
            "errorDeclaration": {
                "declarationTime": "2024-02-01T00:00:00Z",
                "reason": "incorrect_data",
                "correctiveEventIDs": ["urn:x:e"],
                "example:note": "n",
            },
        },
        True,
    ),
    "association with sensors": (
        f"<AssociationEvent>{WHEN}<parentID>urn:x:p</parentID><childEPCs><epc>{EPC}</epc></childEPCs>"
        "<action>ADD</action><sensorElementList><sensorElement>"
        '<sensorMetadata time="2024-01-01T00:00:00Z" deviceID="urn:epc:id:giai:4000001.111" example:m="a"/>'
        '<sensorReport type="gs1:Temperature" value="26.0" uom="CEL" sDev="0.1"/>'
        '<sensorReport type="https://gs1.org/voc/Speed" exception="gs1:ALARM_CONDITION" component="cbv:Comp-x"'
        ' minValue="-1" maxValue="1e2" time="2024-01-01T08:00:00+08:00" stringValue="s"/>'
        "<example:s>5</example:s></sensorElement></sensorElementList></AssociationEvent>",
        {
            "type": "AssociationEvent",
            **BASE,
            "parentID": "urn:x:p",
            "childEPCs": [EPC],
            "action": "ADD",
            "sensorElementList": [
                {
                    "sensorMetadata": {
                        "time": "2024-01-01T00:00:00Z",
                        "deviceID": "urn:epc:id:giai:4000001.111",
                        "example:m": "a",
                    },
                    "sensorReport": [
                        {"type": "Temperature", "value": 26, "uom": "CEL", "sDev": 0.1},
                        {
                            "type": "Speed",
                            "exception": "ALARM_CONDITION",
                            "component": "x",
                            "minValue": -1,
                            "maxValue": 100,
                            "time": "2024-01-01T08:00:00+08:00",
                            "stringValue": "s",
                        },
                    ],
                    "example:s": "5",
                }
            ],
        },
        True,
    ),
}


def document(event: dict[str, Any], *, extended: bool) -> dict[str, Any]:
    return {
        "@context": [GS1, EX] if extended else [GS1],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2024-01-01T00:00:00Z",
        "epcisBody": {"eventList": [event]},
    }


@pytest.mark.parametrize("name", PAIRS)
def test_one_event_has_one_record_and_one_hash_in_both_bindings(name: str) -> None:
    text, event, extended = PAIRS[name]
    from_xml = read_document(xml(text).encode())
    written = document(event, extended=extended)
    from_json = read_document(json.dumps(written).encode())
    assert from_xml.media_type == "application/xml"
    assert from_xml.events[0].canonical == from_json.events[0].canonical
    assert [from_xml.events[0].hash_id] == [from_json.events[0].hash_id] == reference_hashes(written)


@pytest.mark.parametrize("name", PAIRS)
def test_the_reference_s_own_reading_of_the_xml_gives_the_same_hash(name: str) -> None:
    text = xml(PAIRS[name][0])
    assert [event.hash_id for event in read_document(text.encode()).events] == reference_xml_hashes(text)


def test_all_pairs_together_have_the_hashes_they_have_alone() -> None:
    together = read_document(xml(*(text for text, _, _ in PAIRS.values())).encode())
    alone = [read_document(xml(text).encode()).events[0] for text, _, _ in PAIRS.values()]
    assert [event.canonical for event in together.events] == [event.canonical for event in alone]


def test_a_bare_event_of_xml() -> None:
    text = PAIRS["transaction"][0].replace(
        "<TransactionEvent>", '<e:TransactionEvent xmlns:e="urn:epcglobal:epcis:xsd:2">'
    )
    text = text.replace("</TransactionEvent>", "</e:TransactionEvent>")
    alone = read_event(text.encode(), media_type="application/xml")
    assert alone.hash_id == read_document(xml(PAIRS["transaction"][0]).encode()).events[0].hash_id


def test_the_wrappers_of_epcis_1_2_say_nothing() -> None:
    text, event, _ = PAIRS["transformation"]
    old = xml(f"<extension>{text}</extension>", version="1", schema="1.2")
    assert read_document(old.encode()).events[0].canonical == read_document(xml(text).encode()).events[0].canonical
    assert event["type"] == "TransformationEvent"
    inner = PAIRS["aggregation"][0].replace("<childQuantityList>", "<extension><childQuantityList>")
    inner = inner.replace("</AggregationEvent>", "</extension></AggregationEvent>")
    assert (
        read_document(xml(inner, version="1", schema="1.2").encode()).events[0].canonical
        == read_document(xml(PAIRS["aggregation"][0]).encode()).events[0].canonical
    )


def test_prefixes_that_json_cannot_have_are_replaced() -> None:
    text = (
        f"<ObjectEvent>{WHEN}<epcList><epc>{EPC}</epc></epcList><action>OBSERVE</action>"
        '<type:a xmlns:type="urn:a:">1</type:a><urn:b xmlns:urn="urn:b:">2</urn:b><c xmlns="urn:c:">3</c>'
        '<example:d xmlns:example="urn:d:">4</example:d><example:e>5</example:e></ObjectEvent>'
    )
    record = read_document(xml(text).encode()).events[0].record
    assert record["@context"][1] == {
        "ns1": "urn:a:",
        "ns2": "urn:b:",
        "ns3": "urn:c:",
        "example": "urn:d:",
        "ns4": "http://ns.example.com/epcis/",
    }
    assert [record[name] for name in ("ns1:a", "ns2:b", "ns3:c", "example:d", "ns4:e")] == ["1", "2", "3", "4", "5"]
    assert [read_document(xml(text).encode()).events[0].hash_id] == reference_xml_hashes(xml(text))


def test_booleans_are_booleans() -> None:
    text = PAIRS["association with sensors"][0].replace('stringValue="s"', 'booleanValue="true"')
    report = read_document(xml(text).encode()).events[0].record["sensorElementList"][0]["sensorReport"][1]
    assert report["booleanValue"] is True


def observed(inner: str = "", **changes: str) -> str:
    text = f"<ObjectEvent>{WHEN}<epcList><epc>{EPC}</epc></epcList><action>OBSERVE</action>{inner}</ObjectEvent>"
    for old, new in changes.items():
        text = text.replace(old, new)
    return xml(text)


EVENT = "/epcisBody/eventList/0"
PREFIXES = " ".join(f'xmlns:p{number}="urn:x:{number}"' for number in range(20_000))
HOSTILE: dict[str, tuple[str | bytes, str, str]] = {
    "document type": ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "xml_dtd", ""),
    "external entity": ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "xml_dtd", ""),
    "entity without type": ("<a>&b;</a>", "not_xml", ""),
    "cut": (observed()[:-20], "not_xml", ""),
    "UTF-16": ("\ufeff<a/>".encode("utf-16-le"), "not_xml", ""),
    "declared otherwise": ('<?xml version="1.0" encoding="UTF-7"?><a/>', "not_xml", ""),
    "another document": ("<a/>", "document_type", "/type"),
    "another namespace": ('<e:EPCISDocument xmlns:e="urn:x"/>', "document_type", "/type"),
    "no body": ('<e:EPCISDocument xmlns:e="urn:epcglobal:epcis:xsd:2"/>', "xml_element", "/epcisBody/eventList"),
    "unknown event": (xml("<QuantityEvent/>"), "event_type", f"{EVENT}/type"),
    "unknown element": (observed("<foo>1</foo>"), "xml_element", f"{EVENT}/foo"),
    "element twice": (observed("<action>ADD</action>"), "xml_element", f"{EVENT}/action"),
    "unknown attribute": (observed(**{"<action>": '<action a="1">'}), "xml_attribute", f"{EVENT}/action/a"),
    "text among elements": (observed(**{"<ObjectEvent>": "<ObjectEvent>text"}), "xml_value", EVENT),
    "element in text": (observed(OBSERVE="<b/>"), "xml_element", f"{EVENT}/action"),
    "wrong item": (observed(**{"<epc>": "<epd>", "</epc>": "</epd>"}), "xml_element", f"{EVENT}/epcList/0"),
    "no number": (
        observed(f"<quantityList>{QUANTITY.replace('200.50', 'NaN')}</quantityList>"),
        "xml_value",
        f"{EVENT}/quantityList/0/quantity",
    ),
    "large number": (
        observed(f"<quantityList>{QUANTITY.replace('200.50', '9' * 20)}</quantityList>"),
        "number_out_of_range",
        f"{EVENT}/quantityList/0/quantity",
    ),
    "negative": (
        observed(f"<quantityList>{QUANTITY.replace('200.50', '-1')}</quantityList>"),
        "quantity_negative",
        f"{EVENT}/quantityList/0/quantity",
    ),
    "no word": (
        observed("<bizStep>urn:epcglobal:cbv:bizstep:shippin</bizStep>"),
        "schema_word",
        f"{EVENT}/bizStep",
    ),
    "no time zone": (
        observed(**{"<eventTimeZoneOffset>+08:00</eventTimeZoneOffset>": ""}),
        "schema_required",
        f"{EVENT}/eventTimeZoneOffset",
    ),
    "deep": (observed("<example:a>" * 60 + "</example:a>" * 60), "too_deep", f"{EVENT}" + "/example:a" * 33),
    "very deep": (observed("<example:a>" * 5000 + "</example:a>" * 5000), "not_xml", ""),
    "many namespaces": (observed("".join(f'<a xmlns="urn:x:{number}"/>' for number in range(50_000))), "too_large", ""),
    "many prefixes": (
        observed(f"<p0:a {PREFIXES}>" + '<p0:b p7:k="1"/>' * 50_000 + "</p0:a>"),
        "too_large",
        "",
    ),
    "many elements": ("<a>" + "<b/>" * 2_100_000 + "</a>", "too_large", ""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refuses_hostile_xml(name: str) -> None:
    text, code, pointer = HOSTILE[name]
    with pytest.raises(DocumentError) as caught:
        read_document(text if isinstance(text, bytes) else text.encode(), media_type="application/xml")
    assert (caught.value.code, caught.value.where) == (code, pointer)


def test_too_many_events_of_xml() -> None:
    with pytest.raises(DocumentError) as caught:
        read_document(xml(PAIRS["transaction"][0], PAIRS["aggregation"][0]).encode(), max_events=1)
    assert caught.value.code == "too_many_events"
