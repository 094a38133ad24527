"""The OpenAPI document: what the framework derives, with the media type of problems and the words for uploads."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from archive_api.problems import PROBLEM_RESPONSES

__all__ = ["install_openapi"]

_UPLOADS: Final = "/submissions/{ref}/files"
_SUMMARIES: Final = {
    "post": (
        "Begin an upload",
        "tus 1.0 creation. Upload-Metadata carries base64 values: `index`, the leaf index of one document, or `pack`, "
        '"1" for a tar of files up to 1 MiB whose member names are leaf indices. Upload-Length must be the entry\'s '
        "size. The answer's Location takes the bytes.",
    ),
    "head": ("How far an upload is", "Upload-Offset says how many bytes are durable: go on from there."),
    "patch": (
        "Send the next bytes",
        "Begins at Upload-Offset. With the last byte the content is digested and compared with its entry; what differs "
        "is refused (409) and dropped. An empty body at the end has a complete upload looked at again.",
    ),
    "delete": ("Give up an upload", "What was sent is dropped."),
    "options": ("What the upload protocol offers", "tus version, extensions and largest size."),
}
_HEADER_EXAMPLES: Final = {
    "upload-length": 18234,
    "upload-metadata": "index MTI=,filename MTI=,filetype YXBwbGljYXRpb24vb2N0ZXQtc3RyZWFt",
    "upload-offset": 0,
    "tus-resumable": "1.0.0",
}
_BINARY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/offset+octet-stream": {
            "schema": {"type": "string", "format": "binary"},
            "example": "the next bytes of the document",
        }
    },
}
# What the protocol itself answers with.
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_REFUSALS: Final[dict[str, Any]] = {
    status: {"description": text, "content": _PROBLEM}
    for status, text in {
        "410": "The upload was given up: nobody went on with it in time.",
        "412": "Another version of tus than 1.0.0.",
        "423": "The upload is being written to by another request.",
    }.items()
}


def install_openapi(app: FastAPI) -> None:
    """Have an application answer with the finished document.

    Args:
        app: with all its routes.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                separate_input_output_schemas=False,
            )
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _name_problems(document, operation)
                    if _UPLOADS in path:
                        _describe_upload(method, operation)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _name_problems(document: dict[str, Any], operation: dict[str, Any]) -> None:
    """Give problems their media type, and have operations share the descriptions of those that any may answer with."""
    shared = document["components"].setdefault("responses", {})
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        if int(status) < 400 or not schema.get("$ref", "").endswith("/Problem"):
            continue
        content["application/problem+json"] = content.pop("application/json")
        if response["description"] == PROBLEM_RESPONSES.get(int(status), {}).get("description"):
            shared[f"Problem{status}"] = response
            operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}


def _describe_upload(method: str, operation: dict[str, Any]) -> None:
    operation["summary"], operation["description"] = _SUMMARIES[method]
    operation["responses"] |= _REFUSALS
    for parameter in operation.get("parameters", []):
        if parameter["name"] in _HEADER_EXAMPLES:
            parameter["example"] = _HEADER_EXAMPLES[parameter["name"]]
    if method == "patch":
        operation["requestBody"] = _BINARY
