"""Vectors of words, learned from notes without labels.

A few hundred labelled notes hold few of the words that an archive uses. Which words stand near which is known from many more notes, without anybody's
labels: :func:`learn_word_vectors` makes that knowledge into vectors, and with them a tagger that is fitted to few notes understands the other words too.
The library brings vectors of its own corpus (``make vectors``); those of one's own archive can be learned and given to
:class:`~disputenlp.DisputeTagger` instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from disputenlp.cleaning import as_texts, slices
from disputenlp.features import NoteVectorizer
from disputenlp.hashing import span_hashes
from disputenlp.latent import Latent, unit_length

__all__ = ["WordVectors", "bundled_word_vectors", "learn_word_vectors"]

# Contexts count by this power of their frequency, so that rare ones do not seem more telling than they are (Levy, Goldberg and Dagan 2015).
_SMOOTHING = 0.75
# What the vectors may weigh beside the features of a note: how much to trust them is found out of fold.
_WEIGHTS = (0.5, 0.2, 1.0)
_FILE = "word_vectors.npz"


class WordVectors(NamedTuple):
    """Words, and a vector of unit length for each.

    Attributes
    ----------
    words : list of str
    vectors : ndarray of float32, shape (n_words, size)
    """

    words: list[str]
    vectors: NDArray[np.float32]

    def latent(self, vocabulary: Mapping[str, int], n_features: int) -> Latent:
        """The vectors as those of features: each word's in its column of the vocabulary, nothing in all others."""
        column = np.array([vocabulary.get(word, -1) for word in self.words])
        vectors = np.zeros((n_features, self.vectors.shape[1]), dtype=np.float32)
        vectors[column[column >= 0]] = self.vectors[column >= 0]
        return Latent(vectors, _WEIGHTS)


def learn_word_vectors(notes: Iterable[Any], *, size: int = 64, window: int = 10, min_df: int = 3, random_state: int = 0) -> WordVectors:
    """Learn vectors of words from notes, which need no labels.

    The positive pointwise mutual information of words that stand near each other, reduced by a singular value decomposition (Levy and Goldberg 2014).
    Names are masked first, and words that look like a name get no vector.

    Parameters
    ----------
    notes : iterable of str
    size : int, default=64
        Length of the vectors.
    window : int, default=10
        How many words apart two words are still near each other.
    min_df : int, default=3
        Words of fewer notes get no vector.
    random_state : int, default=0

    Raises
    ------
    ValueError
        If there are fewer words than ``4 * size``: vectors of so few notes would be of no use.

    Examples
    --------
    >>> learned = learn_word_vectors(["楼上漏水泡了天花板", "楼下天花板漏水发霉"], size=1, min_df=1)
    >>> "漏水" in learned.words, learned.vectors.shape == (len(learned.words), 1)
    (True, True)
    """
    texts = as_texts(notes)
    reader = NoteVectorizer(word_ngrams=1, char_ngrams=None, cue_weight=0.0, min_df=min_df).fit(texts)
    words = list(reader.vocabulary_)
    if len(words) < 4 * size:
        raise ValueError(
            f"the notes hold {len(words)} words of {min_df} or more notes, but vectors of length {size} need {4 * size}; give more notes"
        )
    counts = sp.csr_matrix((len(words), len(words)), dtype=np.float32)
    for column, note in _tokens(reader, texts):
        for distance in range(1, window + 1):
            near = np.flatnonzero(note[distance:] == note[:-distance])
            pair = column[near], column[near + distance]
            counts = counts + sp.csr_matrix((np.ones(len(near), dtype=np.float32), pair), shape=counts.shape)
    left, strength, _ = randomized_svd(_information(counts + counts.T), size, n_iter=4, random_state=random_state)
    vectors = unit_length(left * np.sqrt(strength))
    # The names of masks (<姓名>, <数>) are not what stands in a text, and every tagger has its own column for them.
    plain = np.flatnonzero(span_hashes(words) == reader.word_hashes_)
    return WordVectors([words[place] for place in plain.tolist()], vectors[plain])


def _tokens(reader: NoteVectorizer, texts: list[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
    """Of each batch the columns of the words that have one, in order, and the notes they are in."""
    for part in slices(texts):
        reading = reader.read(texts[part])
        words = reader.columns(reading)[0]
        known = words.column < len(reader.vocabulary_)
        yield words.column[known].astype(np.int64), reading.batch.note_of()[words.start[known]]


def _information(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Positive pointwise mutual information of counts of pairs."""
    total = np.asarray(counts.sum(axis=1)).ravel()
    context = total**_SMOOTHING
    pairs = counts.tocoo()
    value = np.log(pairs.data * (context.sum() / (total[pairs.row] * context[pairs.col])))
    told = value > 0
    return sp.csr_matrix((value[told].astype(np.float32), (pairs.row[told], pairs.col[told])), shape=counts.shape)


@cache
def bundled_word_vectors() -> WordVectors:
    """The vectors that come with the library, learned from its invented corpus."""
    with files("disputenlp").joinpath("resources", _FILE).open("rb") as file, np.load(file, allow_pickle=False) as saved:
        return WordVectors(bytes(saved["words"]).decode("utf-8").split("\n"), saved["vectors"].astype(np.float32) / 127)


def _write(learned: WordVectors, path: str) -> None:
    """One byte a number: vectors are means of many, and no single figure of theirs matters."""
    words = np.frombuffer("\n".join(learned.words).encode("utf-8"), dtype=np.uint8)
    np.savez_compressed(path, words=words, vectors=np.round(learned.vectors * 127).astype(np.int8))


if __name__ == "__main__":
    import sys

    from disputenlp.archive import corpus

    _write(learn_word_vectors(corpus()["text"]), sys.argv[1])
