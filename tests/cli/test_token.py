"""`yunshang token …` and `yunshang ca issue --request`, against SoftHSM 2."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archive_api.cli.failures import CommandError
from archive_api.cli.keys import parse_token_uri, sealing_key
from tests.token_engine import PIN, Tokens, require_softhsm

from .process import REPOSITORY, Result, command, environment, openssl, run

CODE, NAME = "91440101MA5Y3K7TXY", "广州云溪置业有限公司"
LABEL = "云溪置业"


@dataclass(frozen=True)
class Desk:
    """A home with a CA, a token, and the file with its PIN."""

    home: Path
    tokens: Tokens
    folder: Path

    def run(self, *arguments: object, pin: str | None = PIN) -> Result:
        """A command with the token at hand."""
        more: list[object] = []
        if arguments[0] == "token":
            more += ["--pkcs11", self.tokens.module]
            if arguments[1] != "list":
                more += ["--token", LABEL]
        if pin is not None and more[2:]:
            (self.folder / "pin").write_text(pin + "\n")
            more += ["--pin-file", self.folder / "pin"]
        return run(*arguments, *more, "--json", env=self.tokens.environment)

    def ok(self, *arguments: object) -> Any:
        """A command that must succeed; returns its document."""
        done = self.run(*arguments)
        assert done.code == 0, done.stdout + done.stderr
        assert PIN not in done.stdout + done.stderr
        return done.json

    def certify(self, name: str, *subject: object) -> Any:
        """Draw a key, request its certificate, have it issued, import it."""
        csr = self.folder / f"{name}.csr"
        key = self.ok("token", "generate")["key_id"]
        self.ok("token", "request", *subject, "--out", csr, "--key-id", key)
        issued = self.ok("ca", "issue", "--request", csr, "--home", self.home)
        self.ok("token", "import", issued["certificate"])
        return issued


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    tokens = Tokens.create(require_softhsm(), tmp_path / "softhsm")
    tokens.add(LABEL)
    assert run("ca", "init", "--home", tmp_path / "home").code == 0
    return Desk(tmp_path / "home", tokens, tmp_path)


def test_from_drawing_a_key_to_its_certificate(desk: Desk) -> None:
    sealing = desk.certify("seal", CODE, NAME)
    assert sealing["organisation"] == {"code": CODE, "name": NAME}
    checked = openssl("verify", "-CAfile", desk.home / "ca" / "root.pem", sealing["certificate"])
    assert checked.returncode == 0, checked.stderr
    personal = desk.certify("me", CODE, NAME, "--person", "陈海燕")
    assert (personal["purpose"], personal["person"]) == ("personal", "陈海燕")
    (token,) = desk.ok("token", "list")["items"]
    found = {item["purpose"]: (item["name"], item["id"]) for item in token["certificates"]}
    assert found == {
        "sealing": (NAME, sealing["certificate_id"]),
        "personal": ("陈海燕", personal["certificate_id"]),
    }


def test_a_request_that_was_answered_is_not_answered_again(desk: Desk) -> None:
    """One key, one purpose: whoever got a sealing certificate gets no personal one for the same key."""
    key = desk.ok("token", "generate")["key_id"]
    for name, subject in (("seal", (CODE, NAME)), ("me", (CODE, NAME, "--person", "陈海燕"))):
        desk.ok("token", "request", *subject, "--out", desk.folder / name, "--key-id", key)
    desk.ok("ca", "issue", "--request", desk.folder / "seal", "--home", desk.home)
    done = desk.run("ca", "issue", "--request", desk.folder / "me", "--home", desk.home)
    assert (done.code, done.json["error"]["code"]) == (1, "key_certified")


def test_a_wrong_check_digit_gets_no_certificate(desk: Desk) -> None:
    desk.ok("token", "generate")
    wrong = CODE[:-1] + "0"
    done = desk.run("token", "request", wrong, NAME, "--out", desk.folder / "seal.csr")
    assert (done.code, done.json["error"]["code"]) == (1, "check_digit")
    assert not (desk.folder / "seal.csr").exists()


def test_a_wrong_pin_is_refused_and_not_shown(desk: Desk) -> None:
    done = desk.run("token", "generate", pin="wrong-471108")
    assert (done.code, done.json["error"]["code"]) == (1, "pin_incorrect")
    assert "471108" not in done.stdout + done.stderr


def test_without_a_terminal_the_pin_comes_from_a_file(desk: Desk) -> None:
    done = desk.run("token", "generate", pin=None)
    assert (done.code, done.json["error"]["code"]) == (3, "pin_missing")


def test_the_pin_is_asked_for_without_echo(desk: Desk) -> None:
    main, terminal = pty.openpty()
    arguments = ("token", "generate", "--pkcs11", desk.tokens.module, "--token", LABEL, "--json")
    with subprocess.Popen(
        command(*arguments),
        cwd=REPOSITORY,
        env=environment(desk.tokens.environment),
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
    ) as process:
        os.close(terminal)
        shown = _read_until(main, "PIN")
        os.write(main, PIN.encode() + b"\n")
        shown += _read_until(main, None)
        stdout, _ = process.communicate(timeout=60)
    os.close(main)
    assert process.returncode == 0, shown
    assert b"key_id" in stdout
    assert LABEL in shown
    assert PIN not in shown


def _read_until(terminal: int, sign: str | None) -> str:
    """What a terminal shows until a text is there, or until its process is gone."""
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline and (sign is None or sign not in seen.decode(errors="replace")):
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            seen += os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
    return seen.decode(errors="replace")


@pytest.mark.parametrize(
    "arguments",
    [
        {"key": None, "pkcs11": None, "token": None},
        {"key": Path("a.p12"), "pkcs11": Path("m.so"), "token": "t"},
        {"key": None, "pkcs11": Path("m.so"), "token": None},
        {"key": None, "pkcs11": None, "token": "t"},
        {"key": Path("a.p12"), "pkcs11": None, "token": "t"},
        {"key": None, "pkcs11": Path("m.so"), "token": "t", "certificate": "xyz"},
    ],
)
def test_a_key_is_a_file_or_a_token(arguments: dict[str, Any]) -> None:
    with pytest.raises(CommandError):
        sealing_key(passphrase_file=None, pin_file=None, **arguments)


def test_reads_a_token_uri() -> None:
    place = parse_token_uri("pkcs11:token=%E4%BA%91;serial=15ef?module-path=/usr/lib/m.so&pin-source=file:/pin")
    assert (place.label, place.serial, place.module) == ("云", "15ef", Path("/usr/lib/m.so"))
    assert place.pin_file == Path("/pin")


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:",
        "pkcs11:token=a",
        "pkcs11:?module-path=/m.so",
        "pkcs11:token=a?module-path=/m.so&pin-value=1234",
        "pkcs11:token=a;token=b?module-path=/m.so",
        "pkcs11:token?module-path=/m.so",
        "pkcs11:slot-id=3?module-path=/m.so",
    ],
)
def test_refuses_another_token_uri(text: str) -> None:
    with pytest.raises(CommandError) as error:
        parse_token_uri(text)
    assert "1234" not in f"{error.value.zh}{error.value.en}"
