"""Keys in a token: drawn, certified, sealing and signing in, against SoftHSM 2."""

from __future__ import annotations

import datetime
import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pkcs11
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from ledger.identifiers import validate_uscc
from signing import der
from signing.authority import DevelopmentAuthority, generate_key
from signing.cades import rebuild_cms, seal
from signing.certificates import certificate_pem
from signing.errors import MalformedError, MismatchError, NotFoundError, PolicyError, SigningError, TransportError
from signing.pkcs11 import Pkcs11KeyStore, Pkcs11PersonalKey, request_certificate
from signing.requests import build_request, organisation_subject, parse_request, person_subject
from signing.token_session import TokenKey, TokenSession
from signing.tokens import list_tokens
from tests.token_engine import FINAL_TRY, LOCKED, PIN, Tokens, require_softhsm

LABEL = "云溪置业印章"
CODE, NAME = "91440101MA5Y3K7TXY", "广州云溪置业有限公司"
PERSON = "陈海燕"
PAYLOAD = b"\x19\x01" + bytes(range(64))
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
ORIGIN = "https://archive.example"
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tokens]:
    made = Tokens.create(require_softhsm(), tmp_path / "softhsm")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    pkcs11.unload(str(made.module))
    yield made
    pkcs11.unload(str(made.module))


@pytest.fixture
def token(tokens: Tokens) -> Tokens:
    tokens.add(LABEL)
    return tokens


@pytest.fixture(scope="module")
def authority() -> DevelopmentAuthority:
    return DevelopmentAuthority.create("测试根证书", not_before=NOW - DAY, not_after=NOW + 3000 * DAY)


def open_token(tokens: Tokens, pin: str = PIN, *, writable: bool = False, serial: str | None = None) -> TokenSession:
    return TokenSession(tokens.module, LABEL, pin=lambda _: pin, writable=writable, serial=serial)


def certify(session: TokenSession, authority: DevelopmentAuthority) -> TokenKey:
    """Draw a sealing key, have it certified, and store the certificate."""
    key = session.generate("印章")
    request = parse_request(request_certificate(session, key, organisation_subject(CODE, NAME)))
    assert request.for_sealing
    assert (request.name, request.organisation_code) == (NAME, CODE)
    certificate = authority.issue(
        request.public_key,
        code=CODE,
        name=NAME,
        not_before=NOW - DAY,
        not_after=NOW + DAY,
        validate_code=validate_uscc,
    )
    return session.store_certificate(certificate.der, label=NAME)


def certify_person(session: TokenSession, authority: DevelopmentAuthority) -> TokenKey:
    key = session.generate("个人")
    request = parse_request(request_certificate(session, key, person_subject(PERSON, (CODE, NAME))))
    assert not request.for_sealing
    certificate = authority.issue_personal(
        request.public_key,
        name=PERSON,
        organisation_code=CODE,
        organisation_name=NAME,
        not_before=NOW - DAY,
        not_after=NOW + DAY,
    )
    return session.store_certificate(certificate.der, label=PERSON)


def refused(error: pytest.ExceptionInfo[SigningError], code: str) -> None:
    """The code is the one expected, and no frame of the error or of its causes holds the PIN."""
    assert error.value.code == code
    seen: BaseException | None = error.value
    while seen is not None:
        assert PIN not in f"{seen!r}{vars(seen) if hasattr(seen, '__dict__') else ''}"
        trace: TracebackType | None = seen.__traceback__
        while trace is not None:
            if "/signing/" in trace.tb_frame.f_code.co_filename:
                values = [item for item in trace.tb_frame.f_locals.values() if isinstance(item, (str, bytes, tuple))]
                assert PIN not in repr(values)
            trace = trace.tb_next
        seen = seen.__cause__ or seen.__context__


def test_a_seal_made_in_a_token_is_one_that_openssl_verifies(
    token: Tokens, authority: DevelopmentAuthority, tmp_path: Path
) -> None:
    with open_token(token, writable=True) as session:
        certify(session, authority)
    with open_token(token) as session:  # another day
        value = seal(PAYLOAD, Pkcs11KeyStore(session), NOW)
    files = {"cms": rebuild_cms(PAYLOAD, value), "payload": PAYLOAD}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "root.pem").write_text(certificate_pem(authority.root_certificate))
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "cms", "-content"]
    done = subprocess.run(
        [*command, tmp_path / "payload", "-CAfile", tmp_path / "root.pem", "-purpose", "any", "-cades"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == PAYLOAD


def test_the_request_is_one_that_openssl_verifies(token: Tokens) -> None:
    with open_token(token, writable=True) as session:
        request = request_certificate(session, session.generate("印章"), organisation_subject(CODE, NAME))
    done = subprocess.run(
        ["openssl", "req", "-inform", "DER", "-verify", "-noout", "-subject"],
        input=request,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert CODE.encode() in done.stdout + done.stderr


def test_every_seal_has_a_low_s_and_verifies(token: Tokens, authority: DevelopmentAuthority) -> None:
    with open_token(token, writable=True) as session:
        certify(session, authority)
        store = Pkcs11KeyStore(session)
        values = [seal(PAYLOAD, store, NOW) for _ in range(40)]
    assert all(0 < int.from_bytes(value.signature[32:], "big") <= N // 2 for value in values)
    assert len({value.signature for value in values}) == 40


def test_a_sealing_key_seals_only_with_its_own_certificate(token: Tokens, authority: DevelopmentAuthority) -> None:
    with open_token(token, writable=True) as session:
        certify(session, authority)
        store = Pkcs11KeyStore(session)
        with pytest.raises(MismatchError):
            store.sign_attributes(PAYLOAD, NOW, b"\x01" * 32)
        with pytest.raises(MalformedError):
            store.sign_attributes(b"yunshang-signin/v1\x00" + bytes(47), NOW, store.certificate.certificate_id)
        with pytest.raises(NotFoundError) as error:
            Pkcs11PersonalKey(session)
        refused(error, "token_certificate_missing")


def test_a_personal_key_signs_in_and_never_seals(token: Tokens, authority: DevelopmentAuthority) -> None:
    with open_token(token, writable=True) as session:
        certify_person(session, authority)
        key = Pkcs11PersonalKey(session)
        signature = key.sign_challenge(ORIGIN, b"\x01" * 32, b"\x02" * 32)
        with pytest.raises(MalformedError):
            key.sign_challenge(ORIGIN, b"\x01" * 31, b"\x02" * 33)
        with pytest.raises(NotFoundError) as error:
            Pkcs11KeyStore(session)
    refused(error, "token_certificate_missing")
    message = b"yunshang-signin/v1\x00" + ORIGIN.encode() + b"\x01" * 32 + b"\x02" * 32
    key.certificate.verifying_key.verify(der.encode_ecdsa_signature(signature), message, ec.ECDSA(hashes.SHA256()))


def test_both_keys_live_on_one_token(token: Tokens, authority: DevelopmentAuthority) -> None:
    with open_token(token, writable=True) as session:
        certify(session, authority)
        certify_person(session, authority)
        assert Pkcs11KeyStore(session).certificate.organisation_name == NAME
        assert Pkcs11PersonalKey(session).certificate.name == PERSON


def test_a_process_that_signed_in_with_a_token_can_seal_with_it_too(
    token: Tokens, authority: DevelopmentAuthority
) -> None:
    with open_token(token, writable=True) as session:
        certify(session, authority)
        certify_person(session, authority)
    with open_token(token) as signed_in:
        person = Pkcs11PersonalKey(signed_in)
        with open_token(token) as session:
            seal(PAYLOAD, Pkcs11KeyStore(session), NOW)
        person.sign_challenge(ORIGIN, b"\x01" * 32, b"\x02" * 32)


def test_two_sealing_certificates_need_a_choice(token: Tokens, authority: DevelopmentAuthority) -> None:
    with open_token(token, writable=True) as session:
        keys = [certify(session, authority) for _ in range(2)]
        with pytest.raises(PolicyError) as error:
            Pkcs11KeyStore(session)
        refused(error, "token_certificate_ambiguous")
        for key in keys:
            digest = hashes.Hash(hashes.SHA256())
            digest.update(key.certificate or b"")
            wanted = digest.finalize()
            assert Pkcs11KeyStore(session, wanted).certificate.certificate_id == wanted


def test_a_key_that_was_drawn_cannot_be_read_out(token: Tokens) -> None:
    with open_token(token, writable=True) as session:
        session.generate("印章")
    with pkcs11.lib(str(token.module)).get_token(token_label=LABEL).open(user_pin=PIN) as raw:
        (private,) = raw.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        for attribute, value in (
            (Attribute.SENSITIVE, True),
            (Attribute.ALWAYS_SENSITIVE, True),
            (Attribute.EXTRACTABLE, False),
            (Attribute.NEVER_EXTRACTABLE, True),
            (Attribute.LOCAL, True),
            (Attribute.SIGN, True),
            (Attribute.DERIVE, False),
            (Attribute.DECRYPT, False),
            (Attribute.UNWRAP, False),
        ):
            assert private[attribute] is value, attribute
        with pytest.raises(pkcs11.AttributeSensitive):
            private[Attribute.VALUE]


def test_a_key_without_a_certificate_does_not_seal(token: Tokens) -> None:
    with open_token(token, writable=True) as session:
        session.generate("印章")
        with pytest.raises(NotFoundError) as error:
            Pkcs11KeyStore(session)
    refused(error, "token_certificate_missing")


def test_a_certificate_without_its_key_does_not_seal(token: Tokens, authority: DevelopmentAuthority) -> None:
    with open_token(token, writable=True) as session:
        certify(session, authority)
        store = Pkcs11KeyStore(session)
        (key,) = session.list_keys()
        with pkcs11.lib(str(token.module)).get_token(token_label=LABEL).open(rw=True) as raw:
            (private,) = raw.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key.key_id})
            private.destroy()
        with pytest.raises(NotFoundError) as error:
            seal(PAYLOAD, store, NOW)
    refused(error, "token_key_missing")


def test_stores_only_the_certificate_of_its_own_key_and_only_one(
    token: Tokens, authority: DevelopmentAuthority
) -> None:
    def issue(public: ec.EllipticCurvePublicKey) -> bytes:
        validity = {"not_before": NOW - DAY, "not_after": NOW + DAY}
        return authority.issue(public, code=CODE, name=NAME, validate_code=validate_uscc, **validity).der

    with open_token(token, writable=True) as session:
        key = certify(session, authority)
        assert session.store_certificate(key.certificate or b"", label=NAME) == key
        with pytest.raises(NotFoundError) as stranger:
            session.store_certificate(issue(generate_key().public_key()), label=NAME)
        with pytest.raises(PolicyError) as second:
            session.store_certificate(issue(key.public_key), label=NAME)
        with pytest.raises(PolicyError) as request:
            request_certificate(session, key, organisation_subject(CODE, NAME))
        assert session.list_keys() == (key,)
    refused(stranger, "token_key_missing")
    refused(second, "key_certified")
    refused(request, "key_certified")


def test_finds_no_certificate_stored_under_another_key(token: Tokens, authority: DevelopmentAuthority) -> None:
    with open_token(token, writable=True) as session:
        certified, bare = certify(session, authority), session.generate("另一个")
        with pkcs11.lib(str(token.module)).get_token(token_label=LABEL).open(rw=True) as raw:
            (stored,) = raw.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE})
            stored[Attribute.ID] = bare.key_id
        with pytest.raises(MismatchError) as error:
            Pkcs11KeyStore(session)
    assert certified.key_id != bare.key_id
    refused(error, "token_certificate")


@pytest.mark.parametrize("wrong", ["", "0", PIN + "0", PIN.lower(), "印章口令", PIN * 40])
def test_refuses_a_wrong_pin(token: Tokens, wrong: str) -> None:
    with pytest.raises(PolicyError) as error:
        open_token(token, wrong)
    assert error.value.code == "pin_incorrect"
    assert not wrong or wrong not in str(error.value)
    with open_token(token) as session:
        assert session.info.pin_state == ("low" if wrong else "set")


def test_the_pin_is_in_no_error_log_attribute_or_file(
    token: Tokens, authority: DevelopmentAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with open_token(token, writable=True) as session:
        certify(session, authority)
        store = Pkcs11KeyStore(session)
        seal(PAYLOAD, store, NOW)
        assert PIN not in f"{session!r}{store!r}{session.info!r}"
        token.remove()
        with pytest.raises(TransportError) as error:
            seal(PAYLOAD, store, NOW)
    refused(error, "token_removed")
    assert PIN not in caplog.text
    assert PIN.encode() not in token.files()


def test_a_wrong_pin_is_in_no_frame_of_ours(token: Tokens) -> None:
    wrong = PIN  # what `refused` looks for
    token.tool("--init-token", "--token", LABEL, "--label", LABEL, "--pin", "another-pin", "--so-pin", "so-90210815")
    pkcs11.unload(str(token.module))
    with pytest.raises(PolicyError) as error:
        open_token(token, wrong)
    refused(error, "pin_incorrect")


def test_a_locked_token_is_never_asked(token: Tokens) -> None:
    token.add_flag(LOCKED)
    asked = []
    with pytest.raises(PolicyError) as error:
        TokenSession(token.module, LABEL, pin=lambda _: asked.append(1) or PIN)
    refused(error, "pin_locked")
    assert not asked
    assert list_tokens(token.module)[0].pin_state == "locked"


def test_a_token_without_a_user_pin_is_never_asked(token: Tokens) -> None:
    token.forget_pin()
    with pytest.raises(PolicyError) as error:
        open_token(token)
    refused(error, "pin_not_set")


def test_says_when_one_try_is_left(token: Tokens) -> None:
    token.add_flag(FINAL_TRY)
    assert list_tokens(token.module)[0].pin_state == "final_try"


def test_a_removed_token_is_said_so_and_not_called_a_wrong_pin(token: Tokens) -> None:
    assert [info.label for info in list_tokens(token.module)] == [LABEL]
    token.remove()
    with pytest.raises((NotFoundError, TransportError)) as error:
        open_token(token)
    assert error.value.code in {"token_not_found", "token_removed", "token_failed"}


def test_two_tokens_of_one_label_need_the_serial_number(tokens: Tokens) -> None:
    for _ in range(2):
        tokens.add(LABEL)
    serials = [info.serial for info in list_tokens(tokens.module)]
    with pytest.raises(PolicyError) as error:
        open_token(tokens)
    refused(error, "token_ambiguous")
    assert all(serial in str(error.value) for serial in serials)
    for serial in serials:
        with open_token(tokens, serial=serial) as session:
            assert session.info.serial == serial
        with TokenSession(tokens.module, None, serial=serial, pin=lambda _: PIN) as session:
            assert session.info.serial == serial


def test_finds_no_token_of_another_label_or_module(token: Tokens, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as label:
        TokenSession(token.module, "另一个", pin=lambda _: PIN)
    refused(label, "token_not_found")
    with pytest.raises(NotFoundError) as missing:
        list_tokens(tmp_path / "none.so")
    refused(missing, "module_missing")
    (tmp_path / "text.so").write_text("not a library")
    with pytest.raises(TransportError) as other:
        list_tokens(tmp_path / "text.so")
    refused(other, "module_failed")


def test_a_token_that_answers_with_another_signature_is_not_believed(
    token: Tokens, authority: DevelopmentAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_token(token, writable=True) as session:
        certify(session, authority)
        store = Pkcs11KeyStore(session)
        for answer in (bytes(64), b"\xff" * 64, b"\x01" * 64, b"\x01" * 63, b""):
            monkeypatch.setattr(TokenSession, "sign", lambda self, key, digest, answer=answer: answer)
            with pytest.raises(TransportError) as error:
                seal(PAYLOAD, store, NOW)
            refused(error, "token_signature")


def test_a_key_that_wants_the_pin_each_time_gets_it(token: Tokens) -> None:
    asked = []
    with TokenSession(token.module, LABEL, pin=lambda _: asked.append(1) or PIN, writable=True) as session:
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        with pkcs11.lib(str(token.module)).get_token(token_label=LABEL).open(rw=True) as raw:
            raw.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
                store=True, id=b"\x01", private_template={Attribute.ALWAYS_AUTHENTICATE: True}
            )
        (key,) = session.list_keys()
        before = len(asked)
        for _ in range(2):
            request_certificate(session, key, organisation_subject(CODE, NAME))
    assert len(asked) - before == 2


def test_a_request_with_any_octet_changed_is_refused() -> None:
    key = generate_key()

    def sign(information: bytes) -> bytes:
        return der.decode_ecdsa_signature(key.sign(information, ec.ECDSA(hashes.SHA256())))

    request = build_request(organisation_subject(CODE, NAME), key.public_key(), sign)
    assert parse_request(request).organisation_code == CODE
    for at in range(len(request)):
        for bit in range(8):
            changed = bytearray(request)
            changed[at] ^= 1 << bit
            with pytest.raises(SigningError):
                parse_request(bytes(changed))
