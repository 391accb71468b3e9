"""Ranking without a database."""

from __future__ import annotations

import tracemalloc
from random import Random
from string import ascii_lowercase

from stocky.search.ranking import SIMILAR, Similarity


def test_long_words_are_compared_in_little_memory() -> None:
    random = Random(1)
    similarity = Similarity("banana")
    tracemalloc.start()
    for _ in range(50):
        assert similarity["".join(random.choices(ascii_lowercase, k=8_000))] == 0
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 2 * 2**20


def test_long_words_with_one_error_are_similar() -> None:
    word = "".join(Random(2).choices(ascii_lowercase, k=60))
    similarity = Similarity(word)
    assert similarity[word] == 1
    assert similarity[word[1:]] > SIMILAR
    assert similarity[f"{word[:30]}x{word[31:]}"] > SIMILAR
    assert similarity[word[::-1]] == 0
