"""A chain with the contracts on it, and parties with real keys, for the contract tests and the gas benchmark.

What is sealed is built here from docs/formats.md and eth_account, not from `ledger` or `signing`: a second opinion.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import ContractCustomError
from web3.logs import DISCARD
from web3.utils import get_create_address

from contracts import artifact
from ledger.adapters.processes import free_port

PROJECT = Path(__file__).resolve().parents[2]
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_SUITE_ID = 1
P256_TABLE_SUITE_ID = 2
ROLES = ("owner", "surveyor", "designer", "contractor", "supervisor")
CODES = (
    "91440101MA59A00011",
    "91440101MA59A00022",
    "91440101MA59A00033",
    "91440101MA59A00044",
    "91440101MA59A00055",
)
ARCHIVE = "12440100455350000A"
ZERO = bytes(32)
_ANVIL_OPTIONS = ("--silent", "--base-fee", "0", "--gas-price", "0", "--accounts", "3")
SealTuple = tuple[bytes, int, bytes, bytes]

Members = tuple[tuple[str, str], ...]
DOMAIN: Members = (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))

STATEMENTS: Mapping[str, Members] = {
    "Submission": (
        ("buildingKey", "bytes32"),
        ("unitProjectKey", "bytes32"),
        ("rosterHash", "bytes32"),
        ("sequence", "uint64"),
        ("previous", "bytes32"),
        ("manifestSha256", "bytes32"),
        ("documentsRoot", "bytes32"),
        ("documentCount", "uint64"),
        ("bimRoot", "bytes32"),
        ("contentCid", "bytes"),
        ("sealBy", "uint64"),
    ),
    "Acceptance": (("submissionId", "bytes32"), ("accessionNumber", "string")),
    "Return": (("submissionId", "bytes32"), ("reasonsSha256", "bytes32")),
    "Withdrawal": (("submissionId", "bytes32"), ("reasonSha256", "bytes32")),
}


def sha256(*parts: bytes) -> bytes:
    """SHA-256 of the parts joined."""
    return hashlib.sha256(b"".join(parts)).digest()


def canonical_pair(first: str, second: str) -> bytes:
    """RFC 8785 JSON of two plain texts."""
    return json.dumps([first, second], ensure_ascii=False, separators=(",", ":")).encode()


def building_key(scheme: str, value: str) -> bytes:
    """A building's key, 32 bytes."""
    return sha256(b"yunshang/building/v1\0", canonical_pair(scheme, value))


def unit_project_key(building: bytes, code: str) -> bytes:
    """A unit project's key, 32 bytes."""
    return sha256(b"yunshang/unit-project/v1\0", canonical_pair(building.hex(), code))


def roster_hash(codes: Sequence[str]) -> bytes:
    """keccak256 of five codes, each padded to 32 bytes."""
    return bytes(keccak(b"".join(code.encode().ljust(32, b"\0") for code in codes)))


def directory_cid(text: str) -> bytes:
    """A CIDv1 of a directory, 36 bytes."""
    return bytes.fromhex("01701220") + sha256(text.encode())


def signed_attributes(payload: bytes, signing_time: int, certificate_id: bytes) -> bytes:
    """The 165 bytes of formats section 7."""
    utc = datetime.fromtimestamp(signing_time, UTC).strftime("%y%m%d%H%M%SZ").encode()
    return b"".join(
        (
            bytes.fromhex("3181a2301806092a864886f70d010903310b06092a864886f70d010701"),
            bytes.fromhex("301c06092a864886f70d010905310f170d") + utc,
            bytes.fromhex("302f06092a864886f70d01090431220420") + sha256(payload),
            bytes.fromhex("3037060b2a864886f70d010910022f31283026302430220420") + certificate_id,
        )
    )


def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """r ‖ s over SHA-256 of the message, s not above n/2."""
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and what the registry has to read out of it."""

    der: bytes
    issuer: bytes
    serial: bytes
    key: bytes
    organisation: str
    not_before: int
    not_after: int

    @property
    def id(self) -> bytes:
        """SHA-256 of the DER."""
        return sha256(self.der)


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation with its sealing key and certificate."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: Certificate

    def seal(self, payload: bytes, signing_time: int) -> SealTuple:
        """A seal over a payload."""
        attributes = signed_attributes(payload, signing_time, self.certificate.id)
        signature = sign(self.key, attributes)
        return (self.certificate.id, signing_time, signature[:32], signature[32:])


SEALING_USAGE = ("digital_signature", "content_commitment")
AUTHORITY_USAGE = ("key_cert_sign", "crl_sign")
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
Extensions = Sequence[tuple[x509.ExtensionType, bool]]


def key_usage(*names: str) -> x509.KeyUsage:
    """A key usage of these and no others."""
    return x509.KeyUsage(**{name: name in names for name in _USAGES})


def sealing_extensions() -> list[tuple[x509.ExtensionType, bool]]:
    """The profile's extensions of a sealing certificate, each with whether it is critical."""
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage(*SEALING_USAGE), True),
        (x509.ExtendedKeyUsage([DOCUMENT_SIGNING]), False),
    ]


def authority_extensions(path_length: int | None = 0) -> list[tuple[x509.ExtensionType, bool]]:
    """The extensions of an authority."""
    return [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (key_usage(*AUTHORITY_USAGE), True),
    ]


def subject_of(organisation: str, name: str = "测试单位") -> x509.Name:
    """The subject of an organisation's certificate."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


class Authority:
    """A CA that signs anything it is asked for; a root, or an intermediate under another one."""

    def __init__(
        self,
        not_before: int,
        not_after: int,
        *,
        common_name: str = "Test CA",
        parent: Authority | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
        extensions: Extensions | None = None,
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        extensions = authority_extensions(None if parent is None else 0) if extensions is None else extensions
        self.der = (parent or self).sign(self.name, self.key.public_key(), not_before, not_after, extensions=extensions)

    @property
    def id(self) -> bytes:
        """The id that the registry gives it."""
        numbers = self.key.public_key().public_numbers()
        halves = (numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big"))
        return bytes(keccak(bytes(keccak(self.name.public_bytes())) + b"".join(halves)))

    def sign(
        self,
        subject: x509.Name,
        key: Any,
        not_before: int,
        not_after: int,
        *,
        extensions: Extensions,
        serial: int | None = None,
    ) -> bytes:
        """A certificate, DER."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(datetime.fromtimestamp(not_before, UTC))
            .not_valid_after(datetime.fromtimestamp(not_after, UTC))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def issue(
        self,
        organisation: str,
        not_before: int,
        not_after: int,
        *,
        serial: int | None = None,
        extensions: Extensions | None = None,
        subject: x509.Name | None = None,
    ) -> Party:
        """A party of this organisation with a fresh key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = subject_of(organisation) if subject is None else subject
        extensions = sealing_extensions() if extensions is None else extensions
        der = self.sign(subject, key.public_key(), not_before, not_after, extensions=extensions, serial=serial)
        number = x509.load_der_x509_certificate(der).serial_number
        numbers = key.public_key().public_numbers()
        return Party(
            key,
            Certificate(
                der,
                issuer=self.name.public_bytes(),
                serial=number.to_bytes((number.bit_length() + 7) // 8, "big"),
                key=numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big"),
                organisation=organisation,
                not_before=not_before,
                not_after=not_after,
            ),
        )

    def revoke(
        self,
        *entries: x509.RevokedCertificate,
        issued: int,
        key: ec.EllipticCurvePrivateKey | None = None,
        extensions: Extensions = (),
    ) -> bytes:
        """A revocation list, DER, valid a day from its issue; signed by the authority's key or another one."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.name)
            .last_update(datetime.fromtimestamp(issued, UTC))
            .next_update(datetime.fromtimestamp(issued + 86_400, UTC))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        for entry in entries:
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def revoked(
    serial: bytes, time: int, *, reason: x509.ReasonFlags | None = None, invalid_since: int | None = None
) -> x509.RevokedCertificate:
    """An entry of a revocation list."""
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(int.from_bytes(serial, "big"))
        .revocation_date(datetime.fromtimestamp(time, UTC))
    )
    if reason is not None:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    if invalid_since is not None:
        date = datetime.fromtimestamp(invalid_since, UTC)
        builder = builder.add_extension(x509.InvalidityDate(date), critical=False)
    return builder.build()


def flip_authority_signature(der: bytes) -> bytes:
    """The same certificate with n - s for s in the CA's signature: valid as well, but other bytes."""
    certificate = x509.load_der_x509_certificate(der)
    r, s = utils.decode_dss_signature(certificate.signature)
    flipped = utils.encode_dss_signature(r, P256_ORDER - s)
    body = der[der.index(certificate.tbs_certificate_bytes) :][: len(certificate.tbs_certificate_bytes)]
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    bits = b"\x03" + bytes([len(flipped) + 1]) + b"\0" + flipped
    inner = body + algorithm + bits
    return b"\x30\x82" + len(inner).to_bytes(2, "big") + inner


class Anvil:
    """An anvil of one's own on a free loopback port, of its newest fork or another one; a context manager."""

    def __init__(self, *, hardfork: str | None = None) -> None:
        port = free_port("127.0.0.1")
        binary = next((PROJECT / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"))
        chain_id = 1_000_000 + secrets.randbelow(1_000_000_000)
        self._process = subprocess.Popen(
            [str(binary), "--port", str(port), "--chain-id", str(chain_id), *_ANVIL_OPTIONS]
            + (["--hardfork", hardfork] if hardfork else []),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        self.w3 = Web3(Web3.HTTPProvider(f"http://127.0.0.1:{port}"))
        deadline = time.monotonic() + 20
        while not self.w3.is_connected():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise RuntimeError("anvil did not start")
            time.sleep(0.05)

    def __enter__(self) -> Anvil:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def rpc(self, method: str, *params: Any) -> Any:
        """Call a method of the node's own."""
        return self.w3.provider.make_request(method, list(params))["result"]  # type: ignore[arg-type]


class RefusedError(Exception):
    """A contract refused: the custom error's name and values."""

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        super().__init__(f"{name} {values}")
        self.name = name
        self.values = values


def deploy(w3: Web3, name: str, *arguments: Any, source: Mapping[str, Any] | None = None) -> Contract:
    """Deploy a contract from its artifact (or another one given) with the first account."""
    found: Mapping[str, Any] = source or artifact(name)
    factory = w3.eth.contract(abi=found["abi"], bytecode=found["bytecode"])
    tx_hash = factory.constructor(*arguments).transact({"from": w3.eth.accounts[0]})
    receipt = w3.eth.wait_for_transaction_receipt(tx_hash)
    return cast(Contract, w3.eth.contract(address=receipt["contractAddress"], abi=found["abi"]))


class Deployment:
    """The contracts, a unit project with its roster, and its parties' certificates registered."""

    def __init__(self, node: Anvil, *, p256_tables: bool = False) -> None:
        self.node = node
        self.w3 = node.w3
        accounts = list(self.w3.eth.accounts)
        self.admin: str = accounts[0]
        self.stranger: str = accounts[1]
        nonce = self.w3.eth.get_transaction_count(self.admin)
        suite = get_create_address(self.admin, nonce + 2)  # type: ignore[arg-type]
        self.authorities = deploy(self.w3, "AuthorityRegistry", self.admin, suite)
        self.seals = deploy(self.w3, "SealRegistry", self.admin, self.authorities.address)
        self.suite = deploy(self.w3, "P256Suite", self.seals.address)
        self.projects = deploy(self.w3, "ProjectRegistry", self.admin)
        registries = (self.seals.address, self.projects.address)
        self.ledger = deploy(self.w3, "ArchiveLedger", self.admin, *registries, ARCHIVE.encode())
        self.checkpoints = deploy(self.w3, "CheckpointLog", self.admin)
        self._errors: dict[bytes, dict[str, Any]] = {
            bytes(keccak(text=f"{item['name']}({','.join(_kind(i) for i in item['inputs'])})"))[:4]: item
            for name in (
                "ArchiveLedger",
                "SealRegistry",
                "AuthorityRegistry",
                "ProjectRegistry",
                "P256Suite",
                "P256TableSuite",
                "CheckpointLog",
            )
            for item in cast(list[dict[str, Any]], artifact(name)["abi"])
            if item["type"] == "error"
        }
        for contract, role in (
            (self.seals, "REGISTRAR_ROLE"),
            (self.projects, "REGISTRAR_ROLE"),
            (self.ledger, "RELAYER_ROLE"),
            (self.checkpoints, "CHECKPOINTER_ROLE"),
        ):
            self.send(contract.functions.grantRole(keccak(text=role), self.admin))
        self.send(self.seals.functions.addSuite(P256_SUITE_ID, self.suite.address))
        if p256_tables:
            self.prefer_tables()

        self.authority = Authority(self.now() - 10 * 86_400, self.now() + 150 * 365 * 86_400)
        self.send(self.authorities.functions.addAuthority(self.authority.der))
        self.building = building_key("yunshang", "GZ-0001")
        self.send(self.projects.functions.registerBuilding(self.building, "yunshang", "GZ-0001"))
        self.new_unit_project("01")
        self.parties = tuple(self.enrol(code) for code in CODES)
        self.archive = self.enrol(ARCHIVE)

    def prefer_tables(self) -> None:
        """Add the table suite and prefer it to the first one."""
        self.tables = deploy(self.w3, "P256TableSuite", self.seals.address)
        self.send(self.seals.functions.addSuite(P256_TABLE_SUITE_ID, self.tables.address))
        self.send(self.seals.functions.preferSuite(P256_SUITE_ID, P256_TABLE_SUITE_ID))

    def new_unit_project(self, code: str) -> None:
        """Register a unit project with the five parties as its roster and turn to it."""
        self.unit = unit_project_key(self.building, code)
        self.send(self.projects.functions.registerUnitProject(self.building, self.unit, code, "一号楼"))
        self.set_roster(CODES)

    def now(self) -> int:
        """The newest block's time."""
        return int(self.w3.eth.get_block("latest")["timestamp"])

    def pass_time(self, seconds: int) -> None:
        """Mine a block that many seconds later."""
        self.node.rpc("evm_setNextBlockTimestamp", self.now() + seconds)
        self.node.rpc("evm_mine")

    def send(self, function: Any, *, sender: str | None = None) -> Any:
        """Send a call and return its receipt.

        Raises:
            RefusedError: The contract reverted with a custom error.
        """
        options = {"from": sender or self.admin}
        self.call(function, sender=sender)
        tx_hash = function.transact(options | {"gas": 8_000_000})
        receipt = self.w3.eth.wait_for_transaction_receipt(tx_hash)
        if receipt["status"] != 1:
            raise RuntimeError("the transaction failed though its simulation did not")
        return receipt

    def call(self, function: Any, *, sender: str | None = None) -> Any:
        """Simulate a call and return what it returns.

        Raises:
            RefusedError: The contract reverted with a custom error.
        """
        try:
            return function.call({"from": sender or self.admin})
        except ContractCustomError as error:
            data = bytes.fromhex(str(error.data)[2:])
            item = self._errors[data[:4]]
            values = self.w3.codec.decode([_kind(i) for i in item["inputs"]], data[4:])
            raise RefusedError(
                item["name"], dict(zip((i["name"] for i in item["inputs"]), values, strict=True))
            ) from error

    def enrol(self, organisation: str, *, before: int = -86_400, after: int = 10 * 365 * 86_400) -> Party:
        """Issue and register a certificate, valid from and to these seconds from now."""
        party = self.authority.issue(organisation, self.now() + before, self.now() + after)
        self.send(self.seals.functions.registerCertificate(party.certificate.der))
        return party

    def set_roster(self, codes: Sequence[str], joint: int = 0) -> None:
        """Set the unit project's roster."""
        self.send(self.projects.functions.setRoster(self.unit, [code.encode() for code in codes], joint))

    def payload(self, primary_type: str, message: Mapping[str, Any], **domain: Any) -> bytes:
        """The 66 bytes sealed, by eth_account; members of the domain can be changed."""
        types: dict[str, Members] = {"EIP712Domain": DOMAIN, primary_type: STATEMENTS[primary_type]}
        signable = encode_typed_data(
            full_message={
                "types": {name: [{"name": n, "type": t} for n, t in kinds] for name, kinds in types.items()},
                "primaryType": primary_type,
                "domain": {
                    "name": "Yunshang ArchiveLedger",
                    "version": "1",
                    "chainId": self.w3.eth.chain_id,
                    "verifyingContract": self.ledger.address,
                }
                | domain,
                "message": dict(message),
            }
        )
        return b"\x19" + signable.version + signable.header + signable.body

    def statement(self, **changes: Any) -> dict[str, Any]:
        """A Submission that can be sealed, with some members changed."""
        head = bytes(self.ledger.functions.head(self.unit).call())
        sequence = self.ledger.functions.submission(head).call()[2] + 1
        unit = self.projects.functions.unitProject(self.unit).call()
        return {
            "buildingKey": self.building,
            "unitProjectKey": self.unit,
            "rosterHash": bytes(unit[1]),
            "sequence": sequence,
            "previous": head,
            "manifestSha256": sha256(b"manifest"),
            "documentsRoot": sha256(b"root"),
            "documentCount": 12,
            "bimRoot": sha256(),
            "contentCid": directory_cid(f"content {sequence}"),
            "sealBy": self.now() + 86_400,
        } | changes

    def seal_all(self, payload: bytes, parties: Sequence[Party] | None = None) -> list[SealTuple]:
        """A seal by each of the parties, made now."""
        return [party.seal(payload, self.now()) for party in parties or self.parties]

    def submit_call(self, statement: Mapping[str, Any], seals: Sequence[SealTuple] | None = None) -> Any:
        """The call of `submit`, with good seals if none are given."""
        chosen = seals if seals is not None else self.seal_all(self.payload("Submission", statement))
        return self.ledger.functions.submit(tuple(statement.values()), list(chosen))

    def submit(self, **changes: Any) -> bytes:
        """Record a submission and return its id."""
        statement = self.statement(**changes)
        self.send(self.submit_call(statement))
        return bytes(keccak(self.payload("Submission", statement)))

    def accept_call(self, submission_id: bytes, number: str, *, party: Party | None = None) -> Any:
        """The call of `accept`, sealed by the archive or another party."""
        payload = self.payload("Acceptance", {"submissionId": submission_id, "accessionNumber": number})
        seal = (party or self.archive).seal(payload, self.now())
        return self.ledger.functions.accept(submission_id, number, directory_cid("receipt"), seal)

    def return_call(self, submission_id: bytes, *, party: Party | None = None) -> Any:
        """The call of `returnToParties`, sealed by the archive or another party."""
        reasons = sha256(b"reasons")
        payload = self.payload("Return", {"submissionId": submission_id, "reasonsSha256": reasons})
        seal = (party or self.archive).seal(payload, self.now())
        return self.ledger.functions.returnToParties(submission_id, reasons, directory_cid("reasons"), seal)

    def withdraw_call(
        self,
        statement: Mapping[str, Any],
        role: int,
        *,
        party: Party | None = None,
        codes: Sequence[str] = CODES,
    ) -> Any:
        """The call of `withdraw`, sealed by the role's party or another one."""
        submission_id = bytes(keccak(self.payload("Submission", statement)))
        reason = sha256(b"reason")
        payload = self.payload("Withdrawal", {"submissionId": submission_id, "reasonSha256": reason})
        seal = (party or self.parties[role % 5]).seal(payload, self.now())
        organisations = [code.encode() for code in codes]
        return self.ledger.functions.withdraw(tuple(statement.values()), reason, role, organisations, seal)


def _kind(item: Mapping[str, Any]) -> str:
    """The canonical ABI type of an input (errors here have no tuples)."""
    return str(item["type"])


def emitted(event: Any, receipt: Any) -> dict[str, Any]:
    """The values of the one event of its kind in a receipt."""
    (log,) = event().process_receipt(receipt, errors=DISCARD)
    return dict(log["args"])


def refused(chain: Deployment, call: Any, name: str, **values: Any) -> None:
    """Assert that a call is refused with this error and these values, and leaves nothing behind."""
    before = chain.w3.eth.block_number
    try:
        chain.send(call)
    except RefusedError as error:
        assert error.name == name
        assert {key: error.values[key] for key in values} == values
    else:
        raise AssertionError(f"expected {name}, got a success")
    assert chain.w3.eth.block_number == before


def code(role: int) -> bytes:
    """A role's organisation as bytes18."""
    return CODES[role].encode()
