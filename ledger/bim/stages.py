"""The line of a unit project's models through its stages, and the documents that say what changed along it."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Protocol, TypeVar

from ledger import fields
from ledger.bim.change_record import CHANGE_FORMAT
from ledger.entries import STAGES, DocumentEntry
from ledger.errors import MalformedError

__all__ = [
    "CHANGE_EXTENSION",
    "CHANGE_MEDIA_TYPE",
    "ChangeLink",
    "LineModel",
    "Place",
    "change_link",
    "change_path",
    "comes_before",
    "line_key",
    "predecessor",
]

CHANGE_MEDIA_TYPE: Final = "application/vnd.yunshang.bim-change+gzip"
"""Media type of a document that is a change record; its content is checked wherever the models are."""

CHANGE_EXTENSION: Final = "bim_change"
"""The member of a document entry's extensions that names the two models."""

_FOLDER: Final = "BIM变更记录"
_NAME_BYTES: Final = 180
"""Of a model's name in its record's: with what comes behind it, no longer than file systems allow (255 bytes)."""


class LineModel(Protocol):
    """What a model in the line is told by."""

    @property
    def name(self) -> str:
        """File name without folders."""
        ...


Place = tuple[int, int, int]
"""Where a model stands in the line: stage, sequence, index in its submission."""

Model = TypeVar("Model", bound=LineModel)


def line_key(stage: str | None, sequence: int, index: int) -> Place:
    """Where a model stands in the line of its unit project.

    Args:
        stage: planning, design, construction, as_built; None comes last.
        sequence: of its submission.
        index: among the models of the submission.
    """
    return (len(STAGES) if stage is None else STAGES.index(stage), sequence, index)


def comes_before(one: Place, other: Place) -> bool:
    """Whether another model may continue one: those of one stage in one submission stand beside each other."""
    return one[:2] < other[:2]


def predecessor(before: Sequence[Model], name: str, common: Callable[[Model], int]) -> Model | None:
    """The model that another one continues.

    Args:
        before: what stands before it in the line, in line order.
        name: its file name.
        common: how many GlobalIds it shares with an earlier model; asked only if the names don't decide.

    Returns:
        The latest with the same file name, else the only one, else the one that shares most GlobalIds (the latest
        of several; none that shares nothing).
    """
    named = [model for model in before if model.name == name]
    if named:
        return named[-1]
    if len(before) == 1:
        return before[0]
    shared = [(common(model), place, model) for place, model in enumerate(before)]
    best = max(shared, key=lambda item: item[:2], default=None)
    return best[2] if best is not None and best[0] > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLink:
    """Which two models a change record is about: what its document entry's extensions say.

    Attributes:
        from_sha256: digest of the earlier model's file, 32 bytes.
        from_root: its root, 32 bytes.
        from_submission: id of the recorded submission it is in, 32 bytes; None: it is in the same handover.
        to_sha256: digest of the later model's file, 32 bytes.
        to_root: its root, 32 bytes.
    """

    from_sha256: bytes
    from_root: bytes
    from_submission: bytes | None
    to_sha256: bytes
    to_root: bytes

    def to_json(self) -> dict[str, Any]:
        """Return the `extensions` of the record's document entry. Source: docs/formats.md section 4."""
        submission = None if self.from_submission is None else fields.prefixed_hex(self.from_submission)
        return {
            CHANGE_EXTENSION: {
                "format": CHANGE_FORMAT,
                "from": {
                    "submission": submission,
                    "file_sha256": self.from_sha256.hex(),
                    "root": self.from_root.hex(),
                },
                "to": {"file_sha256": self.to_sha256.hex(), "root": self.to_root.hex()},
            }
        }


def change_link(entry: DocumentEntry, where: str = "entry") -> ChangeLink | None:
    """Which models a document is the change record of; None for every other document.

    Raises:
        MalformedError: `bim_change`: a change record by its media type that doesn't name its models, or a document
            that names them and has another media type, so that nobody would check it.
    """
    extensions = entry.to_json()["extensions"]
    if entry.media_type != CHANGE_MEDIA_TYPE:
        if CHANGE_EXTENSION in extensions:
            raise MalformedError(
                f"expected {CHANGE_MEDIA_TYPE} for what names two models, got {entry.media_type!r}",
                code="bim_change",
                where=f"{where}.media_type",
            )
        return None
    try:
        link = fields.members(extensions.get(CHANGE_EXTENSION), ("format", "from", "to"), CHANGE_EXTENSION)
        fields.one_of(link["format"], (CHANGE_FORMAT,), f"{CHANGE_EXTENSION}.format")
        earlier = fields.members(link["from"], ("submission", "file_sha256", "root"), f"{CHANGE_EXTENSION}.from")
        later = fields.members(link["to"], ("file_sha256", "root"), f"{CHANGE_EXTENSION}.to")
        return ChangeLink(
            from_sha256=fields.hex_bytes(earlier["file_sha256"], f"{CHANGE_EXTENSION}.from.file_sha256"),
            from_root=fields.hex_bytes(earlier["root"], f"{CHANGE_EXTENSION}.from.root"),
            from_submission=fields.optional(
                earlier["submission"], fields.prefixed_bytes, f"{CHANGE_EXTENSION}.from.submission"
            ),
            to_sha256=fields.hex_bytes(later["file_sha256"], f"{CHANGE_EXTENSION}.to.file_sha256"),
            to_root=fields.hex_bytes(later["root"], f"{CHANGE_EXTENSION}.to.root"),
        )
    except MalformedError as error:
        raise MalformedError(
            f"expected a change record that names its two models, got: {error}",
            code="bim_change",
            where=f"{where}.extensions",
        ) from error


def change_path(model_path: str, stage: str | None, taken: Container[str], file_sha256: bytes) -> str:
    """The path of a model's change record.

    Args:
        model_path: path of the model.
        stage: of the model.
        taken: the paths that there are.
        file_sha256: of the model; tells records of equal names apart.
    """
    name = PurePosixPath(model_path).name
    shortened = name.encode()[:_NAME_BYTES].decode(errors="ignore")
    stem = ".".join(part for part in (shortened, stage) if part)
    path = f"{_FOLDER}/{stem}.bim-change.json.gz"
    return (
        path
        if path not in taken and shortened == name
        else f"{_FOLDER}/{stem}.{file_sha256.hex()[:16]}.bim-change.json.gz"
    )
