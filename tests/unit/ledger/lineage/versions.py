"""Records of data sets for tests, simple ones and drawn ones."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ledger.identifiers import check_digit
from ledger.lineage import names
from ledger.lineage.record import (
    ACTIVITY,
    DATASET,
    Activity,
    Attribute,
    DatasetRef,
    DatasetSource,
    DatasetVersion,
    ExternalSource,
    Interval,
    Software,
)


def code_of(number: int) -> str:
    prefix = f"91440101MA5{number:06d}"
    return prefix + check_digit(prefix)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def version(name: str, number: str = "1", *sources: str, **members: Any) -> DatasetVersion:
    """A version whose bytes are its name, made from versions named `id@version` or from URIs."""
    found = [
        ExternalSource(text, None) if "@" not in text else DatasetSource(DatasetRef.parse(text), digest(text))
        for text in sources
    ]
    given = {
        "title": f"数据集{name}",
        "producer": code_of(1),
        "responsible_party": code_of(2),
        "level": "internal",
        "media_type": "application/geo+json",
        "size": len(name),
        "sha256": digest(f"{name}@{number}"),
        "derived_from": tuple(sorted(found, key=lambda source: source.order)),
    }
    return DatasetVersion(DatasetRef(name, number), **(given | members))


_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp")), min_size=1, max_size=30
)
_REFS = st.builds(
    DatasetRef,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~:/?#=%-]{0,30}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,10}", fullmatch=True),
)
_URIS = st.from_regex(r"(https|urn|ftp|prov|xsd|yunshang|default|git\+ssh):[a-z0-9./#:@%-]{1,20}", fullmatch=True)
_DIGESTS = st.binary(min_size=32, max_size=32)
_CODES = st.integers(0, 5).map(code_of)
_TIMES = st.integers(0, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
_INTERVALS = st.builds(
    lambda begin, seconds: Interval(begin, begin + timedelta(seconds=seconds)), _TIMES, st.integers(0, 10**7)
)
_SOFTWARE = st.builds(Software, _TEXT, st.none() | _TEXT, st.none() | _URIS)


def _in_order(items: list[Any]) -> tuple[Any, ...]:
    return tuple(sorted({item.order: item for item in items}.values(), key=lambda item: item.order))


def _programs(items: list[Software]) -> tuple[Software, ...]:
    """Each under a URI of its own: PROV knows a program by it."""
    return _in_order(list({item.uri or names.software_uri(item.name, item.version): item for item in items}.values()))


@st.composite
def attributes(draw: st.DrawFn, of: list[str]) -> Attribute:
    owner = draw(st.sampled_from(of))
    name = draw(_URIS | st.sampled_from([names.OWN + "entity", names.PROV + "location", names.PROV + "value"]))
    kind = draw(st.sampled_from([None, None, names.XSD + "double", "urn:x:Point", names.QUALIFIED_NAME]))
    if kind == names.QUALIFIED_NAME:
        return Attribute(owner, name, draw(_URIS), kind)
    language = draw(st.sampled_from([None, "zh", "zh-Hans"])) if kind is None else None
    return Attribute(owner, name, draw(_TEXT | st.just("")), kind, language)


@st.composite
def versions(draw: st.DrawFn) -> DatasetVersion:
    """Any record."""
    ref = draw(_REFS)
    sources = draw(
        st.lists(st.builds(DatasetSource, _REFS, _DIGESTS) | st.builds(ExternalSource, _URIS, st.none() | _DIGESTS))
    )
    by_name = {source.order: source for source in sources if source.order != (0, ref.dataset, ref.version)}
    activity = draw(
        st.none()
        | st.builds(
            Activity,
            _TEXT,
            period=st.none() | _INTERVALS,
            performed_by=st.none() | _CODES,
            software=st.lists(_SOFTWARE, max_size=3).map(_programs),
        )
    )
    producer, responsible = draw(_CODES), draw(_CODES)
    of = [DATASET, producer, responsible]
    if activity is not None:
        of += [ACTIVITY] + ([activity.performed_by] if activity.performed_by else [])
    return DatasetVersion(
        ref,
        title=draw(_TEXT),
        producer=producer,
        responsible_party=responsible,
        level=draw(st.sampled_from(["public", "internal", "restricted", "secret"])),
        media_type=draw(st.sampled_from(["text/csv", "application/geo+json"])),
        size=draw(st.integers(0, 2**53 - 1)),
        sha256=draw(_DIGESTS),
        collected=draw(st.none() | _INTERVALS),
        derived_from=_in_order(list(by_name.values())),
        activity=activity,
        attributes=_in_order(draw(st.lists(attributes(of), max_size=4))),
    )
