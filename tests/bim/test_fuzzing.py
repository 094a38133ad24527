"""A short run of `scripts/fuzz_step.py`, and of its models through the rewriter; always the same examples.

Longer: `python scripts/fuzz_step.py --seconds 3600`.
"""

from __future__ import annotations

from random import Random

import pytest

from ledger.bim.fingerprint import Fingerprint
from ledger.bim.scan import FingerprintKernel
from scripts.fuzz_step import MODELS, Corpus, difference, runs

from . import rewriting
from .engine import Roots, outcome
from .mutating import Mutator, same_meaning
from .step_text import read, write

SOUND = {"scan", "cycle", "global_id", "duplicate_entity"}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.of(sorted(MODELS.glob("*.ifc")))


def test_the_kernels_agree(corpus: Corpus, kernel: FingerprintKernel, reference: FingerprintKernel) -> None:
    kinds = set()
    for text in runs(corpus.any, Random(2026), seconds=0, iterations=3000):
        kind, wrong = difference(text, (kernel, reference))
        kinds.add(kind)
        assert not wrong, text
    assert kinds > SOUND - {"duplicate_entity"}
    assert {"syntax", "sections", "truncated", "not_step", "dangling_reference", "string_encoding", "depth"} < kinds


def test_any_model_rewritten_has_the_same_roots(corpus: Corpus, kernel: FingerprintKernel) -> None:
    """Models that nobody would write: equal GlobalIds, describers in cycles, elements that own each other's parts."""
    random, sound = Random(7), 0
    ways = [rewriting.shuffled, rewriting.renumbered, rewriting.with_permuted_sets]
    for text in runs(corpus.sound, random, seconds=0, iterations=1500):
        before = outcome(text, kernel)
        if not isinstance(before, Roots):
            continue
        model = read(text)
        for way in random.sample(ways, 2):
            model = way(model, random)
        rewritten = write(model, rewriting.respelling(random), kinds=rewriting.kinds_of(model.schema))
        assert outcome(rewritten, kernel) == before, text
        sound += 1
    assert sound > 700


def test_any_model_changed_has_another_root(corpus: Corpus, kernel: FingerprintKernel) -> None:
    random, changed = Random(11), 0
    for text in runs(corpus.sound, random, seconds=0, iterations=500):
        before = outcome(text, kernel)
        if not isinstance(before, Roots) or b"\\X2\\0049" in text or Fingerprint.of(kernel.scan(text)).duplicates:
            continue  # what `same_meaning` can't read
        model = read(text)
        mutations = list(Mutator(text, model, targets=4).all())
        for mutation in random.sample(mutations, min(8, len(mutations))):
            after = outcome(mutation.text, kernel)
            if isinstance(after, Roots) and after.root == before.root:
                assert mutation.same, (text, mutation)
                assert same_meaning(model, read(mutation.text)), (text, mutation)
            changed += isinstance(after, Roots)
    assert changed > 1500
