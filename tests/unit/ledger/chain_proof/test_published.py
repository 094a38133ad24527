"""Against what others published: go-ethereum's and Besu's tests, a block of Rinkeby, and the contracts' own ABI."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.adapters.evm.abi import interface
from ledger.adapters.evm.proofs import header_of
from ledger.chain_proof import clique, qbft
from ledger.chain_proof.encoding import big_endian, read_rlp, write_rlp
from ledger.chain_proof.events import CHECKPOINT_APPENDED, SUBMISSION_ANCHORED
from ledger.chain_proof.header import BlockHeader
from ledger.chain_proof.receipt import Receipt, receipt_key, verify_receipt
from ledger.errors import MalformedError, MismatchError
from ledger.hashing import keccak256

EMPTY_ROOT = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"

# Block 30,000 of Rinkeby, the first of an epoch, as Hyperledger Besu's CliqueBlockHashingTest has it.
RINKEBY_30000 = {
    "parentHash": "0xff570bb9893cb9bac64e346419fb9ad51e203c1cf6da5cfcc0c0dff3351b454b",
    "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
    "miner": "0x" + "00" * 20,
    "stateRoot": "0x829b58faacea7b0aa625617ba90c93e08150bed160364a7a96505e8205043d34",
    "transactionsRoot": EMPTY_ROOT,
    "receiptsRoot": EMPTY_ROOT,
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x2",
    "number": hex(30_000),
    "gasLimit": hex(4_712_388),
    "gasUsed": "0x0",
    "timestamp": hex(1_492_460_444),
    "extraData": "0xd783010600846765746887676f312e372e33856c696e75780000000000000000"
    "42eb768f2244c8811c63729a21a3569731535f067ffc57839b00206d1ad20c69a1981b489f772031"
    "b279182d99e65703f0076e4812653aab85fca0f0"
    "c5bc40d0535af16266714ccb26fc49448c10bdf2969411514707d7442956b339"
    "7b09a980f4bea9347f70eea52183326247a0239b6d01fa0b07afc44e8a05463301",
    "mixHash": "0x" + "00" * 32,
    "nonce": "0x" + "00" * 8,
}
RINKEBY_HASH = "8b27a29300811af926039b90288d3d384dcb55931049c17c4f762e45c116776e"
RINKEBY_SIGNERS = (
    "42eb768f2244c8811c63729a21a3569731535f06",
    "7ffc57839b00206d1ad20c69a1981b489f772031",
    "b279182d99e65703f0076e4812653aab85fca0f0",
)

# Hyperledger Besu's QbftExtraDataCodecTest: two validators, a vote to add one, round 0xfedcba, two seals.
BESU_QBFT = bytes.fromhex(
    "f8f0a00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20ea94" + "00" * 19 + "0194" + "00" * 19 + "02"
    "d794" + "00" * 19 + "0181ff83fedcbaf886b841" + "00" * 31 + "01" + "00" * 31 + "0a00b841"
    + "00" * 31 + "0a" + "00" * 31 + "0100"
)  # fmt: skip
# The genesis block of GoQuorum's documentation of QBFT: four validators, no vote, round 0, no seals.
GOQUORUM_GENESIS = bytes.fromhex(
    "f87aa0" + "00" * 32 + "f8549493917cadbace5dfce132b991732c6cda9bcc5b8a9427a97c9aaf04f18f3014c32e036dd0ac76da5f18"
    "94ce412f988377e31f4d0ff12d74df73b51c42d0ca9498c1334496614aed49d2e81526d089f7264fed9cc080c0"
)


def test_a_block_of_rinkeby_has_its_hash_its_signers_and_its_sealer() -> None:
    header = header_of(RINKEBY_30000)
    assert header.keccak256.hex() == RINKEBY_HASH
    assert BlockHeader.parse(header.to_bytes()) == header
    assert clique.is_sealed(header)
    assert tuple(address.hex() for address in clique.listed_validators(header)) == RINKEBY_SIGNERS
    sealer = clique.sealer(header)
    assert sealer is not None
    # Difficulty 2: whoever sealed it, it was their turn.
    assert clique.in_turn(header.number, sealer, clique.listed_validators(header))


def test_go_ethereums_hash_to_seal_with_a_base_fee() -> None:
    """consensus/clique/clique_test.go, TestSealHash: all zero, with the base fee as sixteenth field."""
    values = [bytes(32), bytes(32), bytes(20), *[bytes(32)] * 3, bytes(256), *[b""] * 5, bytes(97), bytes(32), bytes(8)]
    header = BlockHeader((*values, b""))
    assert clique.sealing_hash(header).hex() == "bd3d1fa43fbc4c5bfcc91b179ec92e2861df3654de60468beb908ff805359e8f"


def test_besus_extra_data_of_qbft() -> None:
    extra = qbft.QbftExtraData.parse(BESU_QBFT)
    assert extra.vanity == bytes(range(1, 33))
    assert [address[-1] for address in extra.validators] == [1, 2]
    assert extra.vote == (bytes(19) + b"\x01", b"\xff")
    assert (extra.round, len(extra.seals)) == (0xFEDCBA, 2)
    assert extra.to_bytes() == BESU_QBFT


def test_goquorums_genesis_of_qbft() -> None:
    extra = qbft.QbftExtraData.parse(GOQUORUM_GENESIS)
    assert (len(extra.validators), extra.vote, extra.round, extra.seals) == (4, None, 0, ())
    assert extra.to_bytes() == GOQUORUM_GENESIS


def _header(extra: bytes) -> BlockHeader:
    return header_of(RINKEBY_30000).with_extra_data(extra)


def test_what_qbft_commits_to_keeps_the_round_and_the_blocks_hash_does_not() -> None:
    extra = qbft.QbftExtraData.parse(BESU_QBFT)
    seals, round_number = BESU_QBFT.index(bytes.fromhex("f886b841")), bytes.fromhex("83fedcba")
    body = BESU_QBFT[2:seals] + b"\xc0"
    committed = b"\xf8" + bytes([len(body)]) + body
    assert qbft.commit_hash(_header(BESU_QBFT), extra) == keccak256(_header(committed).to_bytes())
    body = body.replace(round_number, b"\x80")
    on_chain = b"\xf8" + bytes([len(body)]) + body
    assert qbft.block_hash(_header(BESU_QBFT), extra) == keccak256(_header(on_chain).to_bytes())


VANITY, NO_SEALS = bytes(32), b""


@pytest.mark.parametrize(
    "value",
    [
        [VANITY, [], [], b"", []][:4],
        [VANITY, [], [], b"", [], b""],  # Besu's PKI extension
        [bytes(31), [], [], b"", []],
        [bytes(64), [], [], b"", []],
        [VANITY, [bytes(19)], [], b"", []],
        [VANITY, [[]], [], b"", []],
        [VANITY, [], b"", b"", []],  # IBFT 2.0 writes no vote so
        [VANITY, [], [bytes(20)], b"", []],
        [VANITY, [], [bytes(20), b"\x02"], b"", []],
        [VANITY, [], [], b"\x00\x01", []],
        [VANITY, [], [], bytes([1]) * 5, []],
        [VANITY, [], [], [], []],
        [VANITY, [], [], b"", [bytes(64)]],
        b"",
    ],
)
def test_refuses_extra_data_of_another_form(value: Any) -> None:
    with pytest.raises(MalformedError):
        qbft.QbftExtraData.parse(write_rlp(value))


@pytest.mark.parametrize(
    "change",
    [
        {0: bytes(31)},
        {2: bytes(32)},
        {6: bytes(255)},
        {8: b"\x00\x01"},
        {8: bytes([1]) * 9},
        {11: [b""]},
        {14: bytes(7)},
        {15: bytes(33)},
        {40: b""},
    ],
)
def test_refuses_headers_of_another_form(change: dict[int, Any]) -> None:
    values: list[Any] = list(header_of(RINKEBY_30000).values)
    for place, value in change.items():
        values += [b""] * (place + 1 - len(values))
        values[place] = value
    with pytest.raises(MalformedError):
        BlockHeader.parse(write_rlp(values))


@pytest.mark.parametrize("data", [b"", b"\x81\x01", b"\xb8\x01\x01", b"\xc1", b"\x80\x80", b"\xf8\x00", b"\xbf" * 9])
def test_reads_one_spelling_of_rlp(data: bytes) -> None:
    with pytest.raises(MalformedError):
        read_rlp(data, "test")


def test_topics_are_the_contracts_own() -> None:
    assert keccak256(SUBMISSION_ANCHORED.encode()) == interface("archive_ledger").topic("SubmissionAnchored")
    assert keccak256(CHECKPOINT_APPENDED.encode()) == interface("checkpoint_log").topic("CheckpointAppended")


def test_keys_of_receipts() -> None:
    assert [receipt_key(index).hex() for index in (0, 1, 127, 128, 256)] == ["80", "01", "7f", "8180", "820100"]
    assert [big_endian(number) for number in (0, 1, 256)] == [b"", b"\x01", b"\x01\x00"]


def test_an_empty_trie_has_no_receipt() -> None:
    with pytest.raises(MismatchError):
        verify_receipt(bytes.fromhex(EMPTY_ROOT[2:]), 0, ())


@pytest.mark.parametrize(
    "value",
    [
        [b"\x01", b"", bytes(256)],
        [b"\x02", b"", bytes(256), []],
        [b"\x01", b"", bytes(255), []],
        [b"\x01", b"", bytes(256), b""],
        [b"\x01", b"", bytes(256), [[bytes(19), [], b""]]],
        [b"\x01", b"", bytes(256), [[bytes(20), [bytes(31)], b""]]],
        [b"\x01", b"", bytes(256), [[bytes(20), b"", b""]]],
        [b"\x01", b"", bytes(256), [[bytes(20), []]]],
    ],
)
def test_refuses_receipts_of_another_form(value: Any) -> None:
    with pytest.raises(MalformedError):
        Receipt.parse(write_rlp(value))
    with pytest.raises(MalformedError):
        Receipt.parse(b"\x02" + write_rlp(value))
