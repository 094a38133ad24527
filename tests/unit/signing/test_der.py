from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import der
from signing.errors import MalformedError


@given(st.integers(0, 1 << 300))
def test_integer_round_trip(value: int) -> None:
    encoded = der.encode_integer(value)
    der.check_canonical(encoded)
    assert der.Reader(encoded).integer("value") == value


@given(st.binary(min_size=0, max_size=70_000))
def test_length_round_trip(content: bytes) -> None:
    encoded = der.encode(der.OCTET_STRING, content)
    der.check_canonical(encoded)
    assert der.Reader(encoded).content(der.OCTET_STRING, "value") == content


@given(st.binary(min_size=64, max_size=64))
def test_signature_round_trip(signature: bytes) -> None:
    assert der.decode_ecdsa_signature(der.encode_ecdsa_signature(signature)) == signature


@given(st.binary(max_size=64))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        der.check_canonical(data)
    except MalformedError:
        return
    assert data


@pytest.mark.parametrize(
    "hexadecimal",
    [
        "",
        "02",
        "0201",
        "0200",
        "02020001",
        "0202ff80",
        "01010f",
        "050100",
        "0600",
        "06028001",
        "060181",
        "0300",
        "030101",
        "03020801",
        "03020101",
        "0c01ff",
        "13012a",
        "170b3236313132323038305a",
        "180f3230323631313232303830302e355a",
        "1000",
        "1100",
        "24030401ff",
        "1f8101",
        "3080020101" + "0000",
        "308103020101",
        "30820003020101",
        "3085000000000302" + "0101",
        "3106020102020101",
        "020101ff",
    ],
)
def test_refuses_what_der_forbids(hexadecimal: str) -> None:
    with pytest.raises(MalformedError):
        der.check_canonical(bytes.fromhex(hexadecimal))


@pytest.mark.parametrize(
    "hexadecimal", ["0500", "0101ff", "0202ff7f", "030100", "03020780", "3106020101020102", "3000"]
)
def test_accepts_der(hexadecimal: str) -> None:
    der.check_canonical(bytes.fromhex(hexadecimal))


def test_refuses_depth_without_end() -> None:
    data = b""
    for _ in range(200):
        data = der.encode(der.SEQUENCE, data)
    with pytest.raises(MalformedError, match="levels"):
        der.check_canonical(data)


def test_refuses_negative_integer_and_short_signature() -> None:
    with pytest.raises(MalformedError):
        der.encode_integer(-1)
    with pytest.raises(MalformedError, match="expected a signature of 64 bytes, got 63"):
        der.encode_ecdsa_signature(bytes(63))


@pytest.mark.parametrize("integers", [["0201ff", "020101"], ["022101" + "00" * 32, "020101"]])
def test_refuses_signature_out_of_range(integers: list[str]) -> None:
    pair = der.encode(der.SEQUENCE, *(bytes.fromhex(integer) for integer in integers))
    with pytest.raises(MalformedError, match="between 0 and"):
        der.decode_ecdsa_signature(pair)
