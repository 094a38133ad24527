"""A timestamp authority for development, tests and vectors: it answers RFC 3161 requests with a key in a file.

Source: RFC 3161 section 2.4.2, RFC 5816.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass

from asn1crypto import algos, cms, core, tsp

from signing import der
from signing.errors import MalformedError
from signing.status_issuing import StatusSigner

__all__ = ["TIMESTAMP_POLICY", "TimestampAuthority"]

#: The policy named in its tokens: "any", there is no practice statement behind a development authority.
TIMESTAMP_POLICY = "2.5.29.32.0"
# PKIFailureInfo as BIT STRING: badAlg is bit 0, badDataFormat bit 5.
_BAD_ALGORITHM, _BAD_DATA_FORMAT = bytes.fromhex("03020780"), bytes.fromhex("03020204")
_DIGESTS = {"sha256": 32, "sha384": 48, "sha512": 64}


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
        if _DIGESTS.get(algorithm) != len(digest):
            return _rejected(_BAD_ALGORITHM)
        token = self.token(
            digest, algorithm=algorithm, time=time, serial_number=serial_number, nonce=nonce, certificate=wanted
        )
        response = {"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)}
        return bytes(tsp.TimeStampResp(response).dump())

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
        if _DIGESTS.get(algorithm) != len(digest):
            raise MalformedError(f"expected a digest of {algorithm}, got {len(digest)} bytes", where="timestamp")
        info: dict[str, object] = {
            "version": "v1",
            "policy": TIMESTAMP_POLICY,
            "message_imprint": {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": digest},
            "serial_number": serial_number,
            "gen_time": time.replace(microsecond=0),
        }
        if nonce is not None:
            info["nonce"] = nonce
        content = tsp.TSTInfo(info).dump()
        own = self.signer.asn1
        bound = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(own.dump()).digest()})
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [hashlib.sha256(content).digest()]},
                {"type": "signing_certificate_v2", "values": [tsp.SigningCertificateV2({"certs": [bound]})]},
            ]
        )
        sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
        signer = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier(
                    "issuer_and_serial_number",
                    cms.IssuerAndSerialNumber({"issuer": own.issuer, "serial_number": own.serial_number}),
                ),
                "digest_algorithm": sha256,
                "signed_attrs": attributes,
                "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
                "signature": self.signer.sign(attributes.dump()),
            }
        )
        signed: dict[str, object] = {
            "version": "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
            "signer_infos": [signer],
        }
        if certificate:
            signed["certificates"] = [own]
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)}).dump())


def _rejected(failure: bytes) -> bytes:
    return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, der.encode_integer(2), failure))
