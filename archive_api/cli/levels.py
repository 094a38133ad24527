"""Security levels of a handover's files, and the encryption of those from 限阅 up while they are read.

A data key is drawn for each reading of a file: prepared again, a file is encrypted under another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from archive_api.cli.failures import USAGE, CommandError
from archive_api.errors import MalformedError, NotFoundError
from ledger.adapters.files import Sealing
from ledger.entries import SECURITY_LEVELS, DocumentEntry
from ledger.envelope import ENCRYPTED_LEVELS, DataKey, DataKeys, EntryEncryption, data_key
from ledger.errors import LedgerError
from signing.authority import write_private_file

__all__ = ["LEVELS_ZH", "LevelRules", "LevelSealing", "read_keys", "sealed_places", "write_sealed"]

LEVELS_ZH: Final[Mapping[str, str]] = {"public": "公开", "internal": "内部", "restricted": "限阅", "secret": "秘密"}
_BY_NAME: Final = {zh: level for level, zh in LEVELS_ZH.items()} | {level: level for level in SECURITY_LEVELS}
_KEYS_FORMAT: Final = "yunshang-data-keys/v1"
_SEALED: Final = "sealed"


@dataclass(frozen=True, slots=True)
class LevelRules:
    """Patterns of paths and the levels of what they match.

    Attributes:
        rules: pattern and level; `*` matches any signs, `/` too. A file is of the highest level that any gives it.
    """

    rules: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, texts: Sequence[str]) -> LevelRules:
        """Read `PATTERN=LEVEL`, the level in Chinese or English, or a level alone for every file.

        Raises:
            CommandError: (usage) of another form.
        """
        rules = []
        for text in texts:
            pattern, equals, name = text.rpartition("=")
            level = _BY_NAME.get(name)
            if level is None or (equals and not pattern):
                raise CommandError(
                    f"密级须写作 PATTERN=LEVEL，LEVEL 为 {'、'.join(LEVELS_ZH.values())} 之一，得到 {text}",
                    f"expected PATTERN=LEVEL with a level of {', '.join(SECURITY_LEVELS)}, got {text}",
                    code="usage",
                    exit_code=USAGE,
                )
            rules.append((pattern or "*", level))
        return cls(tuple(rules))

    def level_of(self, path: str) -> str | None:
        """The level of a file, None where no rule says any."""
        found = [level for pattern, level in self.rules if fnmatchcase(path, pattern)]
        return max(found, key=SECURITY_LEVELS.index, default=None)

    def require_used(self, paths: Sequence[str]) -> None:
        """Refuse a pattern that matches nothing: what it was to protect would be handed over in the clear.

        Raises:
            CommandError: (usage) naming the patterns.
        """
        unused = [pattern for pattern, _ in self.rules if not any(fnmatchcase(path, pattern) for path in paths)]
        if unused:
            raise CommandError(
                f"没有文件符合密级规则：{'、'.join(unused)}",
                f"expected files for each pattern of --level, got none for {', '.join(unused)}",
                code="level_unmatched",
                exit_code=USAGE,
            )


@dataclass(frozen=True, slots=True)
class LevelSealing:
    """Encrypts files by their levels.

    Attributes:
        rules: the levels.
        folder: for envelopes, on the disk where the preparation will be.
        keys: drawn so far, by commitment.
        targets: envelopes so far, by path.
    """

    rules: LevelRules
    folder: Path
    keys: dict[bytes, DataKey] = field(default_factory=dict, repr=False)
    targets: dict[str, Path] = field(default_factory=dict)
    _by_path: dict[str, DataKey] = field(default_factory=dict, repr=False)

    def sealing(self, path: str) -> Sealing | None:
        """How a file is encrypted; None: its level leaves it in the clear. The key is drawn here."""
        if self.rules.level_of(path) not in ENCRYPTED_LEVELS:
            return None
        key = DataKey.draw()
        target = self.folder / f"envelope-{len(self.targets)}"
        self.keys[key.commitment] = self._by_path[path] = key
        self.targets[path] = target
        return Sealing(key, target)

    def encryption(self, path: str, size: int) -> dict[str, Any] | None:
        """The member `encryption` of a file's entry."""
        key = self._by_path.get(path)
        return None if key is None else EntryEncryption.for_content(size, key).to_json()


def write_sealed(folder: Path, entries: Sequence[DocumentEntry], sealed: Mapping[str, Path], keys: DataKeys) -> None:
    """Put envelopes and data keys into a preparation folder that is being written."""
    if not sealed:
        return
    (folder / _SEALED).mkdir()
    for index, entry in enumerate(entries):
        if entry.path in sealed:
            sealed[entry.path].rename(folder / _SEALED / str(index))
    document = {"format": _KEYS_FORMAT, "keys": {key.commitment.hex(): key.secret.hex() for key in keys.values()}}
    write_private_file(folder / "keys.json", json.dumps(document, indent=1).encode() + b"\n")


def sealed_places(folder: Path, entries: Sequence[DocumentEntry]) -> dict[str, Path]:
    """Where a preparation's envelopes are, by path."""
    return {
        entry.path: folder / _SEALED / str(index) for index, entry in enumerate(entries) if entry.encryption is not None
    }


def read_keys(folder: Path, entries: Sequence[DocumentEntry]) -> dict[bytes, DataKey]:
    """Read a preparation's data keys.

    Raises:
        NotFoundError: there are encrypted documents, but no keys.
        MalformedError: `keys.json` holds none.
        MismatchError: `data_key_missing`: those of other documents.
    """
    encryptions = [(entry, encryption) for entry in entries if (encryption := EntryEncryption.of(entry)) is not None]
    if not encryptions:
        return {}
    path = folder / "keys.json"
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != _KEYS_FORMAT:
            raise ValueError(document["format"])
        keys = [DataKey(bytes.fromhex(secret)) for secret in document["keys"].values()]
    except FileNotFoundError as error:
        raise NotFoundError(f"expected the data keys in {path}, got none; prepare the folder again") from error
    except (ValueError, KeyError, TypeError, AttributeError, LedgerError):
        # `from None`: what the file holds must not come up in a traceback.
        raise MalformedError(f"expected {_KEYS_FORMAT} in {path}, got something else") from None
    by_commitment = {key.commitment: key for key in keys}
    for entry, encryption in encryptions:
        data_key(entry, encryption, by_commitment)
    return by_commitment
