"""What a server is started with: environment variables with the prefix `YUNSHANG_`, or a home."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from archive_api.home import Home
from archive_api.operation.settings import ProcessSettings
from archive_api.protection.rates import Allowance
from archive_api.protection.secrets import is_guessable
from archive_api.seal_status.sources import StatusSource, check_address
from archive_api.streams.witnesses import WitnessSource
from ledger.adapters.kubo_address import kubo_address
from ledger.errors import MalformedError
from ledger.log.witness import check_witnesses
from ledger.supply.findings.base import RECORDED_CLASSES

__all__ = ["ANCHOR_SECONDS", "Settings", "is_tls_or_loopback"]

ANCHOR_SECONDS: Final = 300
"""How often the heads of logs are anchored at least, unless set otherwise; trust files name it."""

_NAMES: Final = ("127.0.0.1", "localhost", "[::1]", "testserver")
# SHA-256 of keys that every development node knows (the mnemonic "test test … junk").
_PUBLIC_KEYS: Final = frozenset(
    {
        "59891c96881dfbcf",
        "bca4c2c0761d850f",
        "193ae84c4c9567c2",
        "e25a680eff8baac7",
        "6718ba8966161cc8",
        "ac29b3735d1b5718",
        "93e372c67f7238fa",
        "59ad99d565557cc0",
        "2d1831e800ec18fe",
        "25061aad2bb09178",
    }
)


class Settings(ProcessSettings):
    """Settings of one server, beside those of its process.

    Attributes:
        database_url: SQLAlchemy URL; `sqlite:///…` by default, PostgreSQL is possible.
        blocks_dir: the embedded block store, where there are no `ipfs_addresses`.
        ipfs_addresses: JSON, `["/ip4/127.0.0.1/tcp/5001", …]`: the RPC APIs of Kubo nodes that keep content instead.
        ipfs_replicas: how many of them must have something pinned before it is acknowledged.
        uploads_dir: uploads under way.
        models_dir: fingerprints and indexes of models, which can be made again; None: `models` beside the uploads.
        trust_path: the trust file with CA roots, contracts and the archive's certificates.
        secret: at least 32 characters; authenticates cursors.
        relay_key: 0x-hex, 32 bytes, of the key that relays transactions; it never seals.
        log_key: hex, 32 bytes, of the Ed25519 key that signs checkpoints and promises of logs, and nothing else.
        logs_dir: entries and tiles of logs; None: `logs` beside the uploads.
        log_publish_seconds: how long an entry waits for a checkpoint at most.
        log_anchor_seconds, log_anchor_entries: a head is anchored when so much time or so many entries have passed.
        log_witnesses: JSON, `[{"key": verifier key, "url": submission prefix}, …]`: C2SP witnesses that are asked to
            co-sign each checkpoint. `log_witness_quorum`: how many have to before it is published; 0 without any.
        status_sources: JSON, by SHA-256 of an issuer's certificate (hex): `{"ocsp": address, "crl": address or file}`;
            certificates of other issuers are not asked about.
        timestamp_url: the RFC 3161 authority; the trust file says whose timestamps are believed. None: no timestamps.
        status_timeout_seconds: how long a responder or timestamp authority may take.
        status_poll_seconds: how often issuers with a source are asked what they revoked, of seals and of persons.
        status_grace_hours: how long people whose certificate's issuer could not be asked may still sign in.
        status_refresh_hours: how old the newest status of a certificate with seals may become.
        rpc_url: the node; loopback for the embedded one.
        rpc_fallback_urls: JSON, further nodes of the same chain, asked in turn while one does not answer.
        confirmations: how many blocks on top of a block make it final, where nodes are not the embedded one.
        archive_name: the archive's name as in its certificates.
        host, port: where the API listens; elsewhere than on loopback only behind a proxy that ends TLS for the
            `public_origin`, which is then one with https.
        public_origin: scheme, host and port that people reach this server by, such as `https://archive.example`; it is
            what they sign when they sign in. None: this machine's own address.
        session_seconds: how long a session lasts without being used. `session_max_seconds`: at all.
        challenge_seconds: how long the challenge of a sign-in can be answered.
        personal_roots_path: PEM file with the authorities of personal certificates; None: the trust file's.
        desk_certificate: base64 DER of the development desk's personal certificate: whoever holds its key has every
            role everywhere. None outside development.
        oidc_issuer, oidc_client_id, oidc_client_secret: sign-in by the city's unified identity; None: by certificate
            alone.
        oidc_name: what the unified identity is called on the sign-in page.
        trusted_proxies: addresses of proxies whose `X-Forwarded-For` is believed.
        requests_per_second, requests_burst: of one address, and of one person.
        costly_per_second, costly_burst: of one address, of what reads or computes much: verification, evidence, search.
        sign_ins_per_minute, sign_ins_burst: sign-ins that fail, of one address.
        max_requests_at_once: of one address.
        api_processes: how many processes answer requests of this home: each takes its part of what one address or
            person may ask, since they count apart.
        idle_seconds, slowest_bytes_per_second: a body that waits longer or comes more slowly is refused.
        max_submission_bytes, max_submission_documents: of one submission.
        max_organisation_bytes, max_organisation_drafts: of what an organisation's people opened and nobody decided yet.
        max_open_uploads: uploads under way of one submission.
        reserve_bytes: room on the disk that uploads must leave free.
        disk_low_bytes: a server whose disk has less room is not ready.
        chain_stall_seconds: nor is one whose chain has had no new block for so long; 0: blocks come only when needed.
        migrate_at_start: bring an older catalogue to this version's schema; false: refuse to start.
        max_upload_bytes: of one file. `max_pack_bytes`: of one pack of small files.
        max_pack_file_bytes: of one file in a pack.
        max_entries_bytes: of one submission's entries as sent.
        upload_days: after which a broken upload is dropped.
        busy_timeout_seconds: how long a writer waits for another.
        model_seconds, model_memory_bytes: what reading one model may take; memory None: half of the machine's.
        recorded_classes: IFC classes whose elements need a record of what they were made of, subtypes too.
        worker_poll_seconds: how often the worker looks for jobs and blocks.
        max_seal_days: the furthest `seal_by` may lie ahead.
    """

    database_url: Annotated[str, Field(repr=False)]
    blocks_dir: Path
    ipfs_addresses: tuple[str, ...] = ()
    ipfs_replicas: Annotated[int, Field(gt=0)] = 2
    uploads_dir: Path
    models_dir: Path | None = None
    trust_path: Path
    secret: Annotated[SecretStr, Field(min_length=32)]
    relay_key: SecretStr
    log_key: SecretStr
    logs_dir: Path | None = None
    log_publish_seconds: Annotated[float, Field(gt=0, le=2)] = 0.5
    log_anchor_seconds: Annotated[int, Field(gt=0)] = ANCHOR_SECONDS
    log_anchor_entries: Annotated[int, Field(gt=0)] = 10_000
    log_witnesses: tuple[WitnessSource, ...] = ()
    log_witness_quorum: Annotated[int, Field(ge=0)] = 0
    status_sources: dict[str, StatusSource] = Field(default_factory=dict)
    timestamp_url: str | None = None
    status_timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0
    status_poll_seconds: Annotated[float, Field(gt=0)] = 60.0
    status_grace_hours: Annotated[int, Field(gt=0)] = 24
    status_refresh_hours: Annotated[int, Field(gt=0)] = 24
    rpc_url: str
    rpc_fallback_urls: tuple[str, ...] = ()
    confirmations: Annotated[int, Field(ge=0)] = 12
    archive_name: str
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    public_origin: str | None = None
    session_seconds: Annotated[int, Field(gt=0, le=86_400)] = 1_800
    session_max_seconds: Annotated[int, Field(gt=0, le=604_800)] = 43_200
    challenge_seconds: Annotated[int, Field(gt=0, le=3_600)] = 300
    personal_roots_path: Path | None = None
    desk_certificate: str | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_name: str = "统一身份认证"
    trusted_proxies: tuple[str, ...] = ()
    requests_per_second: Annotated[float, Field(gt=0)] = 300.0
    requests_burst: Annotated[int, Field(gt=0)] = 3_000
    costly_per_second: Annotated[float, Field(gt=0)] = 40.0
    costly_burst: Annotated[int, Field(gt=0)] = 400
    sign_ins_per_minute: Annotated[float, Field(gt=0)] = 12.0
    sign_ins_burst: Annotated[int, Field(gt=0)] = 20
    max_requests_at_once: Annotated[int, Field(gt=0)] = 64
    api_processes: Annotated[int, Field(gt=0, le=64)] = 1
    idle_seconds: Annotated[float, Field(gt=0)] = 30.0
    slowest_bytes_per_second: Annotated[int, Field(ge=0)] = 512
    max_submission_bytes: Annotated[int, Field(gt=0)] = 2 << 40
    max_submission_documents: Annotated[int, Field(gt=0)] = 200_000
    max_organisation_bytes: Annotated[int, Field(gt=0)] = 8 << 40
    max_organisation_drafts: Annotated[int, Field(gt=0)] = 10_000
    max_open_uploads: Annotated[int, Field(gt=0)] = 64
    reserve_bytes: Annotated[int, Field(ge=0)] = 64 << 20
    disk_low_bytes: Annotated[int, Field(ge=0)] = 256 << 20
    chain_stall_seconds: Annotated[int, Field(ge=0)] = 120
    migrate_at_start: bool = True
    max_upload_bytes: Annotated[int, Field(gt=0)] = 1 << 40
    max_pack_bytes: Annotated[int, Field(gt=0)] = 64 << 20
    max_pack_file_bytes: Annotated[int, Field(gt=0)] = 1 << 20
    max_entries_bytes: Annotated[int, Field(gt=0)] = 1 << 30
    upload_days: Annotated[int, Field(gt=0)] = 14
    busy_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    model_seconds: Annotated[int, Field(gt=0)] = 900
    model_memory_bytes: Annotated[int, Field(gt=0)] | None = None
    recorded_classes: tuple[str, ...] = tuple(sorted(RECORDED_CLASSES))
    worker_poll_seconds: Annotated[float, Field(gt=0)] = 0.25
    max_seal_days: Annotated[int, Field(gt=0)] = 366

    @field_validator("host")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value != "localhost":
            ipaddress.ip_address(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_address(address)) for address in value)

    @field_validator("public_origin")
    @classmethod
    def _an_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        name = parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
        written = f"[{name}]" if ":" in name else name
        if value != f"{parts.scheme}://{written}{port}" or not name or value != value.lower():
            raise ValueError("expected an origin such as https://archive.example, in lower case and without a path")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(name)):
            raise ValueError("expected an origin with https: sessions would be sent in the clear")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _over_tls(cls, value: str | None) -> str | None:
        if value is not None and not is_tls_or_loopback(value):
            raise ValueError("expected the address of an issuer with https and without user name, query or fragment")
        return value

    @field_validator("timestamp_url")
    @classmethod
    def _an_address_of_http(cls, value: str | None) -> str | None:
        return None if value is None else check_address(value)

    @field_validator("status_sources")
    @classmethod
    def _by_digest(cls, value: dict[str, StatusSource]) -> dict[str, StatusSource]:
        for issuer in value:
            if len(issuer) != 64 or not _is_hex(issuer) or issuer != issuer.lower():
                raise ValueError(f"expected SHA-256 of an issuer's certificate as lowercase hex, got {issuer[:80]!r}")
        return value

    @field_validator("rpc_url", "rpc_fallback_urls")
    @classmethod
    def _without_credentials(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        # It is shown to whoever asks which ledger this is.
        if any("@" in urlsplit(url).netloc for url in ((value,) if isinstance(value, str) else value)):
            raise ValueError("expected the address of a node without user name and password")
        return value

    @field_validator("ipfs_addresses")
    @classmethod
    def _addresses_of_ipfs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(kubo_address(address) for address in value)
        except MalformedError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _enough_ipfs_nodes(self) -> Self:
        if self.ipfs_addresses and self.ipfs_replicas > len(set(self.ipfs_addresses)):
            raise ValueError(
                f"expected at least {self.ipfs_replicas} different IPFS nodes, as many as ipfs_replicas, got"
                f" {len(set(self.ipfs_addresses))}"
            )
        return self

    @field_validator("secret", "relay_key", "log_key")
    @classmethod
    def _drawn_at_random(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value().removeprefix("0x")
        digest = hashlib.sha256(bytes.fromhex(text)).hexdigest() if len(text) == 64 and _is_hex(text) else ""
        if is_guessable(text) or digest[:16] in _PUBLIC_KEYS:
            raise ValueError("expected a secret drawn at random, got one that can be guessed")
        return value

    @model_validator(mode="after")
    def _loopback_or_tls(self) -> Self:
        if not _is_loopback(self.host) and not self.is_https:
            raise ValueError(
                f"expected a loopback address, or a public origin with https whose TLS a proxy ends, got {self.host}"
            )
        if self.desk_certificate is not None and self.is_https:
            raise ValueError("expected no development desk on a public server: it has every role everywhere")
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            raise ValueError("expected an issuer and a client id of the unified identity together, got one")
        return self

    @model_validator(mode="after")
    def _enough_witnesses(self) -> Self:
        keys = [source.witness for source in self.log_witnesses]
        try:
            check_witnesses(keys, self.log_witness_quorum, log=None, where="log_witnesses")
        except MalformedError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """The nodes in the order in which they are asked."""
        return (self.rpc_url, *self.rpc_fallback_urls)

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Host names the API answers to: a page elsewhere that rebinds its name to 127.0.0.1 is not among them."""
        name = urlsplit(self.public_origin).hostname if self.public_origin else None
        if name is None:
            return _NAMES
        return (*_NAMES, f"[{name}]" if ":" in name else name)

    @property
    def is_https(self) -> bool:
        """Whether people reach this server by HTTPS alone."""
        return self.public_origin is not None and self.public_origin.startswith("https://")

    @property
    def desk_certificate_id(self) -> str | None:
        """SHA-256 of the development desk's certificate, lowercase hex; None: there is no such desk."""
        if self.desk_certificate is None:
            return None
        return hashlib.sha256(base64.b64decode(self.desk_certificate)).hexdigest()

    @property
    def request_allowance(self) -> Allowance:
        """What one address, or one person, may ask of this process."""
        return self._part(self.requests_per_second, self.requests_burst)

    @property
    def costly_allowance(self) -> Allowance:
        """The same of what reads or computes much."""
        return self._part(self.costly_per_second, self.costly_burst)

    @property
    def sign_in_allowance(self) -> Allowance:
        """How many sign-ins of one address may fail."""
        return self._part(self.sign_ins_per_minute / 60, self.sign_ins_burst)

    @property
    def requests_at_once(self) -> int:
        """How many requests of one address this process answers at once."""
        return max(1, self.max_requests_at_once // self.api_processes)

    def _part(self, per_second: float, burst: int) -> Allowance:
        """What of an allowance is this process's."""
        count = self.api_processes
        return Allowance(per_second=per_second / count, burst=max(1, burst // count))

    @classmethod
    def for_home(
        cls,
        home: Home,
        *,
        rpc_url: str,
        port: int | None = None,
        authority_url: str | None = None,
        database_url: str | None = None,
    ) -> Self:
        """Settings of a home.

        Args:
            home: an initialised home.
            rpc_url: where its node listens.
            port: loopback port of the API; None: the home's own.
            authority_url: where the development authority of the home is asked; None: nowhere.
            database_url: another catalogue than the home's SQLite, or None.
        """
        return cls(
            database_url=database_url or f"sqlite:///{home.database_path}",
            blocks_dir=home.blocks_dir,
            uploads_dir=home.uploads_dir,
            models_dir=home.models_dir,
            trust_path=home.trust_path,
            secret=SecretStr(home.secret().hex()),
            relay_key=SecretStr("0x" + home.relay_key().hex()),
            log_key=SecretStr(home.log_key().hex()),
            logs_dir=home.logs_dir,
            rpc_url=rpc_url,
            archive_name=home.config.archive_name,
            desk_certificate=home.config.desk_certificate,
            port=home.config.api_port if port is None else port,
            status_sources={
                hashlib.sha256(base64.b64decode(root)).hexdigest(): StatusSource(
                    ocsp=f"{authority_url}/ocsp", crl=f"{authority_url}/crl"
                )
                for root in (home.config.ca_roots if authority_url else ())
            },
            timestamp_url=f"{authority_url}/tsa" if authority_url else None,
        )


def is_tls_or_loopback(url: str) -> bool:
    """Whether a URL is one with https, or with http on this machine; without user name, query and fragment."""
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(name))
    return secure and bool(name) and not ({"@", "?", "#"} & set(url))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_hex(text: str) -> bool:
    return set(text) <= set("0123456789abcdefABCDEF")
