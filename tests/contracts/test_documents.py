"""Documents of a recorded submission, asked for on the chain."""

from __future__ import annotations

import pytest
from chain_harness import Deployment, sha256


def leaf(index: int) -> bytes:
    """A leaf's hash."""
    return sha256(b"\0", b"entry %d" % index)


def root(start: int, end: int) -> bytes:
    """RFC 9162 section 2.1.1."""
    if end - start == 1:
        return leaf(start)
    middle = start + split(end - start)
    return sha256(b"\1", root(start, middle), root(middle, end))


def path(index: int, start: int, end: int) -> list[bytes]:
    """RFC 9162 section 2.1.3.1."""
    if end - start == 1:
        return []
    middle = start + split(end - start)
    if index < middle:
        return [*path(index, start, middle), root(middle, end)]
    return [*path(index, middle, end), root(start, middle)]


def split(size: int) -> int:
    """The largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_every_document_at_its_index_only(chain: Deployment, size: int) -> None:
    submission_id = chain.submit(documentsRoot=root(0, size), documentCount=size)
    verify = chain.ledger.functions.verifyDocument
    for index in range(size):
        proof = path(index, 0, size)
        assert verify(submission_id, leaf(index), index, proof).call() == [True, 1]
        assert verify(submission_id, leaf(size), index, proof).call() == [False, 1]
        other = (index + 1) % (size + 1)
        assert verify(submission_id, leaf(index), other, proof).call() == [False, 1]


def test_answers_with_the_status(chain: Deployment) -> None:
    verify = chain.ledger.functions.verifyDocument
    assert verify(sha256(b"none"), leaf(0), 0, []).call() == [False, 0]
    submission_id = chain.submit(documentsRoot=leaf(0), documentCount=1)
    chain.send(chain.accept_call(submission_id, "A-1"))
    assert verify(submission_id, leaf(0), 0, []).call() == [True, 2]
    returned = chain.submit(documentsRoot=leaf(0), documentCount=1)
    chain.send(chain.return_call(returned))
    assert verify(returned, leaf(0), 0, []).call() == [True, 3]


def test_refuses_an_inner_node_as_a_leaf(chain: Deployment) -> None:
    submission_id = chain.submit(documentsRoot=root(0, 4), documentCount=4)
    verify = chain.ledger.functions.verifyDocument
    for index in range(4):
        assert verify(submission_id, root(0, 2), index, [root(2, 4)]).call() == [False, 1]
        assert verify(submission_id, root(0, 4), index, []).call() == [False, 1]
