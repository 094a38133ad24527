"""A timestamp authority for development, tests and vectors: it answers RFC 3161 requests with a key in a file.

Source: RFC 3161 section 2.4.2, RFC 5816.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from asn1crypto import tsp
from cryptography.hazmat.primitives.serialization import Encoding

from signing import der
from signing.errors import MalformedError
from signing.status_issuing import StatusSigner
from signing.timestamp_form import TST_INFO

__all__ = ["TimestampAuthority"]

# PKIFailureInfo as BIT STRING: badAlg is bit 0, badDataFormat bit 5.
_BAD_ALGORITHM, _BAD_DATA_FORMAT = bytes.fromhex("03020780"), bytes.fromhex("03020204")
#: By name: the digest's length in bytes, and its AlgorithmIdentifier, DER.
_DIGESTS: Mapping[str, tuple[int, bytes]] = MappingProxyType(
    {
        "sha256": (32, bytes.fromhex("300d06096086480165030402010500")),
        "sha384": (48, bytes.fromhex("300d06096086480165030402020500")),
        "sha512": (64, bytes.fromhex("300d06096086480165030402030500")),
    }
)
# OBJECT IDENTIFIERs and AlgorithmIdentifier in DER. Source: RFC 5652 sections 5.1 and 11, RFC 5035, RFC 5758.
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
# anyPolicy, since no practice statement is behind a development authority. Source: RFC 5280 section 4.2.1.4.
_POLICY = der.encode(der.OBJECT_IDENTIFIER, bytes.fromhex("551d2000"))


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """Answers requests; the certificate has the one critical purpose timeStamping."""

    signer: StatusSigner

    def answer(self, request: bytes, *, time: datetime.datetime, serial_number: int) -> bytes:
        """Answer a request.

        Args:
            request: TimeStampReq, DER.
            time: now, aware UTC; whole seconds are stated.
            serial_number: of the token, never used before.

        Returns:
            TimeStampResp, DER; a request that can't be served is answered as rejected.
        """
        try:
            parsed = tsp.TimeStampReq.load(request, strict=True)
            imprint = parsed["message_imprint"]
            algorithm = str(imprint["hash_algorithm"]["algorithm"].native)
            digest = bytes(imprint["hashed_message"].native)
            nonce, wanted = parsed["nonce"].native, bool(parsed["cert_req"].native)
        except (ValueError, TypeError, KeyError):
            return _rejected(_BAD_DATA_FORMAT)
        if nonce is not None and nonce < 0:
            return _rejected(_BAD_DATA_FORMAT)
        if not _is_digest(algorithm, digest):
            return _rejected(_BAD_ALGORITHM)
        token = self.token(
            digest, algorithm=algorithm, time=time, serial_number=serial_number, nonce=nonce, certificate=wanted
        )
        return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, der.encode_integer(0)), token)

    def token(
        self,
        digest: bytes,
        *,
        time: datetime.datetime,
        serial_number: int,
        algorithm: str = "sha256",
        nonce: int | None = None,
        certificate: bool = True,
    ) -> bytes:
        """Return a token over a digest, DER.

        Args:
            digest: 32, 48 or 64 bytes.
            time: genTime, aware UTC, whole seconds.
            serial_number: of the token.
            algorithm: `sha256`, `sha384` or `sha512`.
            nonce: given back, or None.
            certificate: with the signer's certificate.

        Raises:
            MalformedError: a digest of another length.
        """
        if not _is_digest(algorithm, digest):
            raise MalformedError(f"expected a digest of {algorithm}, got {len(digest)} bytes", where="timestamp")
        imprint = der.encode(der.SEQUENCE, _DIGESTS[algorithm][1], der.encode(der.OCTET_STRING, digest))
        info = der.encode(
            der.SEQUENCE,
            der.encode_integer(1),
            _POLICY,
            imprint,
            der.encode_integer(serial_number),
            der.encode(der.GENERALIZED_TIME, f"{time.astimezone(datetime.UTC):%Y%m%d%H%M%SZ}".encode("ascii")),
            b"" if nonce is None else der.encode_integer(nonce),
        )
        own, sha256 = self.signer.certificate, _DIGESTS["sha256"][1]
        encoded = own.public_bytes(Encoding.DER)
        bound = der.encode(der.SEQUENCE, der.encode(der.OCTET_STRING, hashlib.sha256(encoded).digest()))
        signing_certificate = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, bound))
        attributes = [
            _attribute(_CONTENT_TYPE, TST_INFO),
            _attribute(_MESSAGE_DIGEST, der.encode(der.OCTET_STRING, hashlib.sha256(info).digest())),
            _attribute(_SIGNING_CERTIFICATE_V2, signing_certificate),
        ]
        attributes.sort()  # signed as a SET OF
        signer = der.encode(
            der.SEQUENCE,
            der.encode_integer(1),
            der.encode(der.SEQUENCE, own.issuer.public_bytes(), der.encode_integer(own.serial_number)),
            sha256,
            der.encode(0xA0, *attributes),
            _ECDSA_SHA256,
            der.encode(der.OCTET_STRING, self.signer.sign(der.encode(der.SET, *attributes))),
        )
        signed = der.encode(
            der.SEQUENCE,
            der.encode_integer(3),
            der.encode(der.SET, sha256),
            der.encode(der.SEQUENCE, TST_INFO, der.encode(0xA0, der.encode(der.OCTET_STRING, info))),
            der.encode(0xA0, encoded) if certificate else b"",
            der.encode(der.SET, signer),
        )
        return der.encode(der.SEQUENCE, _SIGNED_DATA, der.encode(0xA0, signed))


def _is_digest(algorithm: str, digest: bytes) -> bool:
    return algorithm in _DIGESTS and len(digest) == _DIGESTS[algorithm][0]


def _attribute(kind: bytes, value: bytes) -> bytes:
    return der.encode(der.SEQUENCE, kind, der.encode(der.SET, value))


def _rejected(failure: bytes) -> bytes:
    return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, der.encode_integer(2), failure))
