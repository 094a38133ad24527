"""Request bodies that are read from the stream, as OpenAPI shows them."""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["ENTRIES_BODY", "STATEMENT_BODY"]

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_SM3 = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
_CID = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
_ROOT = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"

_ENTRY: Final[dict[str, Any]] = {
    "category": "C5",
    "cid": _CID,
    "document_date": "2026-10-18",
    "document_number": "C5-001",
    "encryption": None,
    "existing_signatures": None,
    "extensions": {},
    "media_type": "application/pdf",
    "originating_system": None,
    "page_count": 3,
    "path": "C5/隐蔽工程记录.pdf",
    "responsible_party": None,
    "retention": "long_term",
    "salt": "11" * 32,
    "security_level": "internal",
    "sha256": _SHA256,
    "size": 18234,
    "sm3": _SM3,
    "source_entry": None,
    "stage": "construction",
    "title": "隐蔽工程记录",
}

ENTRIES_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "Canonical document entries (docs/formats.md section 2), one a line, in path order.",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "examples": {
                    "one entry": {
                        "value": json.dumps(_ENTRY, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
                    }
                },
            }
        },
    }
}

_STATEMENT: Final[dict[str, Any]] = {
    "manifest": {
        "format": "yunshang-manifest/v1",
        "building": {"scheme": "yunshang", "value": "440106-TH0001"},
        "unit_project": {"code": "U01"},
        "roster": {"organisations": [{"role": "owner", "code": "…", "name": "…"}], "joint_appointments": []},
        "sequence": 1,
        "previous": None,
        "relation": None,
        "entries": [{"leaf_hash": "22" * 32, "entry_cid": _CID, "content_cid": _CID}],
        "models": [],
        "checks": [{"check": "paths", "tool": "yunshang 0.1.0", "result": "passed"}],
    },
    "seal_by": 1796000000,
    "statement": {
        "buildingKey": "0x" + "5d" * 32,
        "unitProjectKey": "0x" + "5e" * 32,
        "rosterHash": "0x" + "5f" * 32,
        "sequence": 1,
        "previous": "0x" + "00" * 32,
        "manifestSha256": "0x" + "60" * 32,
        "documentsRoot": "0x" + "61" * 32,
        "documentCount": 1,
        "bimRoot": "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "contentCid": "0x01701220" + "62" * 32,
        "sealBy": 1796000000,
    },
}

STATEMENT_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"What the client computed from its files; the content CID in text form is like {_ROOT}.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["manifest", "seal_by", "statement"],
                    "additionalProperties": False,
                    "properties": {
                        "manifest": {"type": "object"},
                        "seal_by": {"type": "integer"},
                        "statement": {"type": "object"},
                    },
                },
                "examples": {"first submission": {"value": _STATEMENT}},
            }
        },
    }
}
