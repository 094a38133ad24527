"""The reference generator of the CBV event hash, tamed: no network, no leftovers of earlier documents."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from threading import Lock
from typing import Any

from epcis_event_hash_generator import hash_generator, json_to_py, xml_to_py

_LOCK = Lock()


class LeftOutError(Exception):
    """The reference stumbled, or left an event out."""


def reference_hashes(document: Mapping[str, Any]) -> list[str]:
    """Hash ids of a JSON-LD document's events."""
    return [digest for _, digest in reference_results(document)]


def reference_results(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pre-hash text and hash id of each event."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package calls what importlib.resources has given up
        json_to_py._namespaces.clear()
        logging.disable(logging.CRITICAL)
        try:
            copied = json.loads(json.dumps(document))  # it changes what it is given
            events = json_to_py.event_list_from_epcis_document_json(copied)
            texts = hash_generator.derive_prehashes_from_events(events)
            ids = hash_generator.calculate_hashes_from_pre_hashes(texts)
        finally:
            logging.disable(logging.NOTSET)
            json_to_py._namespaces.clear()
    if len(ids) != len(document["epcisBody"]["eventList"]):
        raise LeftOutError("an event was left out")
    return list(zip(texts, ids, strict=True))


def reference_xml_hashes(text: str) -> list[str]:
    """Hash ids of an XML document's events, by the reference's own XML reader."""
    logging.disable(logging.CRITICAL)
    try:
        ids: list[str] = hash_generator.epcis_hashes_from_events(xml_to_py.event_list_from_epcis_document_str(text))
    finally:
        logging.disable(logging.NOTSET)
    return ids
