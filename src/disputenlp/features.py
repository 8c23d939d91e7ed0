"""Notes to sparse features.

:class:`NoteVectorizer` turns texts into one CSR matrix with three blocks: TF-IDF of jieba words (1-2), TF-IDF of character n-grams, and
cue groups. It works on whole batches with NumPy: analysers written as Python loops over characters are where the time of the usual
notebook goes.

Words are looked up in a vocabulary. Word pairs and character n-grams are hashed into ``n_buckets`` slots, and of these only the ones that
were seen in ``min_df`` training notes get a column: the model stays small, collisions are rare, and no n-gram is stored as text.
Words that look like a person's name never enter the vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from disputenlp.cleaning import TextBatch, as_texts, clean_batch, slices
from disputenlp.cues import CueHits, CueLexicon, neutralize
from disputenlp.hashing import HashIndex, SpanHashes, span_hashes
from disputenlp.names import looks_like_name
from disputenlp.privacy import mask_batch
from disputenlp.rows import NOTHING, Part, Weighting, count_rows
from disputenlp.tokenizer import JiebaTokenizer, TokenBatch

__all__ = ["BLOCKS", "NoteVectorizer", "Reading"]

#: The blocks of features, in the order of their columns.
BLOCKS = ("words", "word_pairs", "chars", "cues")
_WORDS, _PAIRS, _CHARS, _CUES = range(len(BLOCKS))
# From how many notes on a word has to be in two, three or four of them: with few notes, one may hold all there is of a matter.
_NOTES_FOR_DF = (2_000, 20_000, 45_000)
_PRIME, _MIX = np.uint32(0x01000193), np.uint32(0x9E3779B1)


class Hashed(NamedTuple):
    """Buckets of one sort of n-grams; ``known`` tells which count at all."""

    block: int
    bucket: NDArray[np.uint32]
    known: NDArray[np.bool_]
    start: NDArray[np.int32]
    length: NDArray[np.int32] | int


class Reading(NamedTuple):
    """What was read of a batch: its masked text, its tokens and its cues; the input of the features and of the evidence."""

    batch: TextBatch
    tokens: TokenBatch
    hashes: SpanHashes
    hits: CueHits | None


class NoteVectorizer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """TF-IDF of words, word pairs and character n-grams, and cue groups, as one CSR matrix.

    Parameters
    ----------
    word_ngrams : {1, 2}, default=2
        Whether to use single words or also pairs of neighbouring words.
    char_ngrams : tuple of int, default=(1, 2)
        Shortest and longest character n-gram, at most 6; ``None`` for none. With words and cues beside them, longer ones add
        nothing on voices that were not trained on (see the ablation in the model card), and cost time.
    min_df : int or "auto", default="auto"
        Words and n-grams of fewer training notes are left out; ``"auto"``: of fewer than 2, 3 from 20,000 and 4 from 45,000 notes on;
        with fewer than 2,000 notes none is left out.
    max_df : float, default=1.0
        Those of more than this share of the training notes are left out.
    sublinear_tf : bool, default=True
        Replace a count by 1 + log(count).
    word_weight, char_weight, cue_weight : float, default=(1.0, 1.0, 0.3)
        Weight of each block. Each block of a note has unit length before weighting, so that long notes and large blocks do not drown the
        others. A block of weight 0 is not made.
    mask : bool, default=True
        Whether names, numbers and addresses are masked before anything is counted.
    n_buckets : int, default=2**21
        Slots for hashed n-grams, a power of two.
    user_dict : sequence of str, default=None
        Lines of a dictionary in jieba's format, beside the domain dictionary.
    domain_dict : bool, default=True
        Whether to use the domain dictionary that comes with the library.
    engine : {"auto", "jieba", "rjieba"}, default="auto"
        Segmenter; changes speed only.
    cues : mapping, default=None
        Cue tables as in :class:`~disputenlp.cues.CueLexicon`; ``None`` takes those of the library.
    scope : bool, default=True
        Whether a cue that is denied, taught, hypothetical, past, reported or intended counts apart.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        Column of each word.
    min_df_ : int
        What ``min_df`` was taken for.
    word_hashes_ : ndarray of uint64, shape (n_words,)
        Hash of each word, see :class:`~disputenlp.hashing.SpanHashes`.
    column_of_bucket_ : ndarray of int32, shape (n_buckets,)
        Column of each hash bucket, -1 where it has none.
    idf_ : ndarray of float32, shape (n_features,)
        Smoothed inverse document frequency (Salton and Buckley 1988).
    block_starts_ : ndarray of int64, shape (5,)
        First column of each block of ``BLOCKS``, and the number of columns.

    Examples
    --------
    >>> vectorizer = NoteVectorizer(min_df=1)
    >>> X = vectorizer.fit_transform(["楼上漏水，两家吵了一架", "欠条写好了，年底还钱"])
    >>> X.shape[0], X.dtype, X.has_sorted_indices
    (2, dtype('float32'), True)
    """

    def __init__(
        self,
        *,
        word_ngrams: int = 2,
        char_ngrams: tuple[int, int] | None = (1, 2),
        min_df: int | str = "auto",
        max_df: float = 1.0,
        sublinear_tf: bool = True,
        word_weight: float = 1.0,
        char_weight: float = 1.0,
        cue_weight: float = 0.3,
        mask: bool = True,
        n_buckets: int = 2**21,
        user_dict: Sequence[str] | None = None,
        domain_dict: bool = True,
        engine: str = "auto",
        cues: Any = None,
        scope: bool = True,
    ) -> None:
        self.word_ngrams = word_ngrams
        self.char_ngrams = char_ngrams
        self.min_df = min_df
        self.max_df = max_df
        self.sublinear_tf = sublinear_tf
        self.word_weight = word_weight
        self.char_weight = char_weight
        self.cue_weight = cue_weight
        self.mask = mask
        self.n_buckets = n_buckets
        self.user_dict = user_dict
        self.domain_dict = domain_dict
        self.engine = engine
        self.cues = cues
        self.scope = scope

    def fit(self, X: Iterable[Any], y: ArrayLike | None = None) -> Self:
        """Learn vocabulary, buckets and document frequencies.

        Parameters
        ----------
        X : iterable of str
            Raw notes; cells that are no text count as empty.
        y : ignored

        Raises
        ------
        ValueError
            If a parameter is out of range or ``X`` is a single string.
        """
        self._learn(self._readings(X))
        return self

    def fit_transform(self, X: Iterable[Any], y: ArrayLike | None = None, *, words: Sequence[str] = ()) -> sp.csr_matrix:
        """As ``fit`` and then ``transform``, but every note is read once; ``words`` get a column even if no note has them."""
        readings = self._readings(X)
        self._learn(readings, words)
        return self._stack([self.features(reading) for reading in readings])

    def transform(self, X: Iterable[Any]) -> sp.csr_matrix:
        """Features of notes: CSR of float32, shape (n_notes, n_features), with sorted indices."""
        check_is_fitted(self, "idf_")
        return self._stack([self.features(reading) for reading in self._readings(X)])

    def _readings(self, X: Iterable[Any]) -> list[Reading]:
        texts = self._check(X)
        return [self.read(texts[part]) for part in slices(texts)]

    def _stack(self, parts: Sequence[sp.csr_matrix]) -> sp.csr_matrix:
        if not parts:
            return sp.csr_matrix((0, len(self.idf_)), dtype=np.float32)
        return sp.vstack(parts, format="csr") if len(parts) > 1 else parts[0]

    def read(self, texts: Sequence[str]) -> Reading:
        """Clean, mask and cut a batch of strings, and find its cues."""
        self._prepare()
        batch = clean_batch(texts)
        if self.mask:
            batch = mask_batch(batch)
        batch = neutralize(batch)
        tokens = self._tokenizer.tokenize_batch(batch)
        hashes = SpanHashes(tokens.codes)
        return Reading(batch, tokens, hashes, self._lexicon.match(tokens.codes, hashes) if self._lexicon else None)

    def features(self, reading: Reading) -> sp.csr_matrix:
        """Features of a batch that was read."""
        return self.rows(reading, self.columns(reading))[0]

    def columns(self, reading: Reading) -> list[Part]:
        """Column of every word, n-gram and cue of a batch; words come first, all of them."""
        words = self._word_ids(reading)
        parts = [Part(words, reading.tokens.start, reading.tokens.length)]
        for _, bucket, known, start, length in self._hashed(reading, words):
            column = self._column_of_bucket[bucket]
            np.putmask(column, ~known, NOTHING)
            parts.append(Part(column, start, length))
        if self._lexicon and reading.hits is not None:
            column = (self._lexicon.column(reading.hits) + self.block_starts_[_CUES]).astype(np.uint32)
            parts.append(Part(column, reading.hits.start, reading.hits.length))
        return parts

    def rows(self, reading: Reading, parts: Sequence[Part]) -> tuple[sp.csr_matrix, NDArray[np.float32]]:
        """Features of a batch, and the factor of each of its notes for words, characters and cues, shape (n_notes, 3)."""
        ends = tuple(self.block_starts_[[_CHARS, _CUES, _CUES + 1]].tolist())
        how = Weighting(self.idf_, ends, (self.word_weight, self.char_weight, self.cue_weight), self.sublinear_tf)
        return count_rows(parts, reading.batch.starts, how)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns: words and cue groups by name, hashed n-grams by their bucket (``char#123``)."""
        check_is_fitted(self, "idf_")
        names = np.empty(len(self.idf_), dtype=object)
        names[list(self.vocabulary_.values())] = list(self.vocabulary_)
        for bucket in np.flatnonzero(self.column_of_bucket_ >= 0).tolist():
            column = self.column_of_bucket_[bucket]
            names[column] = f"{'pair' if column < self.block_starts_[_CHARS] else 'char'}#{bucket}"
        if self._lexicon:
            names[self.block_starts_[_CUES] :] = self._lexicon.columns
        return names

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Settings and arrays from which :meth:`from_state` makes this vectorizer again, whatever dictionary and cues a later version brings."""
        check_is_fitted(self, "idf_")
        own = {
            "user_dict": self._tokenizer.lines,
            "domain_dict": False,
            "cues": self._lexicon.tables if self._lexicon else None,
        }
        meta = {"params": {**self.get_params(), "min_df": self.min_df_, "engine": "auto", **own}, "words": list(self.vocabulary_)}
        buckets = np.flatnonzero(self.column_of_bucket_ >= 0)
        buckets = buckets[np.argsort(self.column_of_bucket_[buckets])]
        return meta, {
            "word_hashes": self.word_hashes_,
            "buckets": buckets.astype(np.uint32),
            "idf": self.idf_,
            "block_starts": self.block_starts_,
        }

    @classmethod
    def from_state(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make a vectorizer from what :meth:`state` gave."""
        params: dict[str, Any] = {key: tuple(value) if key == "char_ngrams" and value else value for key, value in meta["params"].items()}
        vectorizer = cls(**params)
        vectorizer._prepare()
        vectorizer.vocabulary_ = {word: column for column, word in enumerate(meta["words"])}
        vectorizer._set_words(arrays["word_hashes"])
        vectorizer.idf_, vectorizer.block_starts_, vectorizer.min_df_ = arrays["idf"], arrays["block_starts"], params["min_df"]
        vectorizer.column_of_bucket_ = np.full(vectorizer.n_buckets, -1, dtype=np.int32)
        first = len(vectorizer.vocabulary_)
        vectorizer.column_of_bucket_[arrays["buckets"]] = first + np.arange(len(arrays["buckets"]), dtype=np.int32)
        return vectorizer

    @property
    def _column_of_bucket(self) -> NDArray[np.uint32]:
        """The columns of the buckets with ``NOTHING`` for -1: the same bits, read as unsigned."""
        return self.column_of_bucket_.view(np.uint32)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether ``fit`` has run."""
        return hasattr(self, "idf_")

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made anew from the parameters."""
        return {key: value for key, value in super().__getstate__().items() if key not in ("_tokenizer", "_lexicon")}

    def _check(self, X: Iterable[Any]) -> list[str]:
        if isinstance(X, str | bytes):
            raise ValueError("expected a list, Series or array of texts, got a single text; put it in a list")
        low, high = self.char_ngrams or (2, 2)
        if not 1 <= low <= high <= 6:
            raise ValueError(f"char_ngrams is {self.char_ngrams!r}, but must be None or (low, high) with 1 <= low <= high <= 6")
        if self.word_ngrams not in (1, 2):
            raise ValueError(f"word_ngrams is {self.word_ngrams!r}, but must be 1 or 2")
        if self.min_df != "auto" and (isinstance(self.min_df, str) or self.min_df < 1):
            raise ValueError(f"min_df is {self.min_df!r}, but must be 'auto' or a number from 1")
        if self.n_buckets < 2 or self.n_buckets & (self.n_buckets - 1):
            raise ValueError(f"n_buckets is {self.n_buckets!r}, but must be a power of two")
        return as_texts(np.ravel(X).tolist() if isinstance(X, np.ndarray) else X)

    def _prepare(self) -> None:
        """Make tokenizer and lexicon where they are missing: after ``clone``, unpickling or loading."""
        if not hasattr(self, "_tokenizer"):
            self._tokenizer = JiebaTokenizer(self.engine, self.user_dict, domain_dict=self.domain_dict)  # type: ignore[arg-type]
            self._lexicon = CueLexicon(self.cues, scope=self.scope) if self.cue_weight else None

    def _learn(self, readings: Sequence[Reading], words: Sequence[str] = ()) -> None:
        n_notes = sum(len(reading.batch) for reading in readings)
        self.min_df_ = 1 + sum(n_notes >= many for many in _NOTES_FOR_DF) if self.min_df == "auto" else int(self.min_df)
        most = self.max_df * max(n_notes, 1)
        word_df = self._learn_words(readings, most, words)
        bucket_df = np.zeros((2, self.n_buckets), dtype=np.int32)
        for reading in readings:
            note_of = reading.batch.note_of().astype(np.int64)
            for block, bucket, known, start, _ in self._hashed(reading, self._word_ids(reading)):
                pairs = np.unique(note_of[start[known]] << 32 | bucket[known]) & 0xFFFFFFFF
                np.add.at(bucket_df[block - _PAIRS], pairs, 1)
        self._assign_columns(word_df, bucket_df, self._cue_frequencies(readings), most, n_notes)

    def _cue_frequencies(self, readings: Sequence[Reading]) -> NDArray[np.int64]:
        """In how many notes each cue column occurs."""
        if not self._lexicon:
            return np.zeros(0, dtype=np.int64)
        width = len(self._lexicon.columns)
        frequency = np.zeros(width, dtype=np.int64)
        for reading in readings:
            if reading.hits is not None:
                note = reading.batch.note_of()[reading.hits.start].astype(np.int64)
                frequency += np.bincount(np.unique(note * width + self._lexicon.column(reading.hits)) % width, minlength=width)
        return frequency

    def _learn_words(self, readings: Sequence[Reading], most: float, words: Sequence[str]) -> NDArray[np.int64]:
        """Set the vocabulary; document frequencies of its words."""
        frequency: Counter[int] = Counter()
        word_of: dict[int, str] = {}
        for reading in readings if self.word_weight else ():
            tokens = reading.tokens
            hashes = reading.hashes.of(tokens.start, tokens.length)
            note = reading.batch.note_of()[tokens.start]
            order = np.lexsort((hashes, note))
            once = np.ones(len(order), dtype=np.bool_)
            once[1:] = (np.diff(note[order]) != 0) | (hashes[order][1:] != hashes[order][:-1])
            frequency.update(hashes[order][once].tolist())
            unique, where = np.unique(hashes, return_index=True)
            word_of.update(zip(unique.tolist(), tokens.strings(where), strict=True))
        kept = [value for value, count in frequency.items() if self.min_df_ <= count <= most and not looks_like_name(word_of[value])]
        # Frequent features have neighbouring columns, so that most of a note's coefficients are in the processor's cache.
        kept.sort(key=lambda value: (-frequency[value], word_of[value]))
        if self.word_weight and len(words):
            more = dict(zip(span_hashes(words).tolist(), words, strict=True))
            kept += [value for value in more if frequency[value] < self.min_df_]
            word_of = more | word_of
        self.vocabulary_ = {word_of[value]: column for column, value in enumerate(kept)}
        self._set_words(np.array(kept, dtype=np.uint64))
        return np.array([frequency[value] for value in kept], dtype=np.int64)

    def _set_words(self, hashes: NDArray[np.uint64]) -> None:
        self.word_hashes_ = hashes
        self._word_index = HashIndex(hashes)

    def _assign_columns(
        self, word_df: NDArray[np.int64], bucket_df: NDArray[np.int32], cue_df: NDArray[np.int64], most: float, n_notes: int
    ) -> None:
        self.column_of_bucket_ = np.full(self.n_buckets, -1, dtype=np.int32)
        frequencies, starts = [word_df], [0, len(word_df)]
        for df in bucket_df:
            # A bucket that both word pairs and characters fall into belongs to the pairs.
            buckets = np.flatnonzero((df >= self.min_df_) & (df <= most) & (self.column_of_bucket_ < 0))
            buckets = buckets[np.argsort(-df[buckets], kind="stable")]
            self.column_of_bucket_[buckets] = starts[-1] + np.arange(len(buckets), dtype=np.int32)
            frequencies.append(df[buckets])
            starts.append(starts[-1] + len(buckets))
        idf = np.log((1 + n_notes) / (1 + np.concatenate([*frequencies, cue_df]))) + 1
        self.idf_ = idf.astype(np.float32)
        self.block_starts_ = np.array([*starts, starts[-1] + len(cue_df)], dtype=np.int64)

    def _word_ids(self, reading: Reading) -> NDArray[np.uint32]:
        """Column of each token, ``NOTHING`` where it has none."""
        return self._word_index.find(reading.hashes.of(reading.tokens.start, reading.tokens.length)).view(np.uint32)

    def _hashed(self, reading: Reading, words: NDArray[np.uint32]) -> Iterator[Hashed]:
        """Word pairs, then character n-grams, one length after the other."""
        start, length = reading.tokens.start, reading.tokens.length
        if self.word_ngrams == 2 and self.word_weight:
            known = (words[:-1] != NOTHING) & (words[1:] != NOTHING) & (start[1:] == start[:-1] + length[:-1])
            yield Hashed(_PAIRS, self._bucket(words[:-1] * _PRIME + words[1:]), known, start[:-1], length[:-1] + length[1:])
        if self.char_ngrams and self.char_weight:
            yield from self._char_ngrams(reading, *self.char_ngrams)

    def _char_ngrams(self, reading: Reading, low: int, high: int) -> Iterator[Hashed]:
        codes = value = reading.batch.codes
        inside = solid = reading.tokens.classes > 0
        for n in range(1, high + 1):
            if n > 1:
                value = value[:-1] * _PRIME + codes[n - 1 :]
                inside = inside[:-1] & solid[n - 1 :]
            if n >= low:
                yield Hashed(_CHARS, self._bucket(value + np.uint32(n)), inside, np.arange(len(value), dtype=np.int32), n)

    def _bucket(self, value: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Upper bits of a multiplicative hash (Knuth 1973), after its upper half was folded into the lower."""
        return ((value ^ (value >> np.uint32(15))) * _MIX) >> np.uint32(33 - self.n_buckets.bit_length())

    def kind_of(self, column: NDArray[np.uint32]) -> NDArray[np.int64]:
        """0 for columns of words and word pairs, 1 for characters, 2 for cues: the blocks that are normalized by themselves."""
        return np.asarray((column >= self.block_starts_[_CHARS]).astype(np.int64) + (column >= self.block_starts_[_CUES]))
