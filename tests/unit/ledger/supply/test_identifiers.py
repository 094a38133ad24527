"""EPC URIs and Digital Links: our short ways against the package's normaliser."""

from __future__ import annotations

import pytest
from epcis_event_hash_generator.dl_normaliser import normaliser
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.supply.identifiers import normalised

SCHEMES = [
    "sgtin",
    "sscc",
    "sgln",
    "pgln",
    "gdti",
    "giai",
    "grai",
    "gsrn",
    "gsrnp",
    "itip",
    "cpi",
    "sgcn",
    "upui",
    "lgtin",
]
DIGITS = st.text("0123456789", min_size=0, max_size=13)
SERIAL = st.text("0123456789abzAZ_-.%/*+ ", max_size=18)

urns = st.builds(
    "urn:epc:{}:{}:{}.{}{}".format,
    st.sampled_from(["id", "class", "idpat"]),
    st.sampled_from(SCHEMES),
    DIGITS,
    DIGITS,
    st.just("") | SERIAL.map(lambda text: f".{text}"),
)


@st.composite
def fitting(draw: st.DrawFn) -> str:
    """An EPC URI with the number of digits that its scheme has."""
    scheme, total, serial = draw(
        st.sampled_from(
            [
                ("sgtin", 13, 1),
                ("sscc", 17, 0),
                ("sgln", 12, 1),
                ("pgln", 12, 0),
                ("gdti", 12, 1),
                ("grai", 12, 1),
                ("gsrn", 17, 0),
                ("gsrnp", 17, 0),
                ("lgtin", 13, 1),
            ]
        )
    )
    digits = draw(st.text("0123456789", min_size=total, max_size=total))
    at = draw(st.integers(6, 12))
    kind = "class" if scheme == "lgtin" else "id"
    tail = "." + draw(st.text("0123456789abcXYZ-_.", min_size=1, max_size=20)) if serial else ""
    return f"urn:epc:{kind}:{scheme}:{digits[:at]}.{digits[at:]}{tail}"


links = st.builds(
    "{}://{}/{}{}/{}{}".format,
    st.sampled_from(["http", "https", "ftp"]),
    st.sampled_from(["id.gs1.org", "example.com", "example.com:8080", "a@b.c"]),
    st.sampled_from(["", "x/", "01/"]),
    st.sampled_from(["01", "gtin", "414", "00", "8004", "8003", "253", "8010", "99"]),
    st.text("0123456789", min_size=3, max_size=18),
    st.sampled_from(["", "/21/S1", "/10/L.1", "/10/L1/21/S", "/22/v/21/S", "/254/x", "?a=b", "/", "#f", "/21/a%20b"]),
)


@settings(max_examples=1500)
@given(urns | fitting() | links | st.text(max_size=20) | st.just("https://example.com/abcdefghij"))
def test_agrees_with_the_package(text: str) -> None:
    assert normalised(text) == normaliser(text)


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        ("urn:epc:id:sgtin:0614141.107346.2017", "https://id.gs1.org/01/10614141073464/21/2017"),
        ("urn:epc:id:sscc:0614141.1234567890", "https://id.gs1.org/00/106141412345678908"),
        ("https://example.com/x/01/10614141073464/21/2017", "https://id.gs1.org/01/10614141073464/21/2017"),
        ("urn:epc:class:lgtin:4012345.012345.998877", "https://id.gs1.org/01/04012345123456/10/998877"),
        ("urn:uuid:374d95fc-9457-4a51-bd6a-0bba133845a8", None),
    ],
)
def test_known_identifiers(uri: str, link: str | None) -> None:
    assert normalised(uri) == link
