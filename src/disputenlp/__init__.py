"""disputenlp tags disputes in Chinese visit notes (民情日记、走访记录): category, risk level and status.

    import disputenlp as dn

    tagger = dn.load()
    tags = tagger.tag(notes)          # list, Series or DataFrame in, DataFrame out
    tagger.explain(notes[0])          # why

The way of a note is in the names of the modules: ``archive`` → ``cleaning`` → ``privacy`` → ``tokenizer`` and ``cues`` → ``features`` → ``heads`` →
``decision`` and ``explain``; ``tagger`` joins them, ``batch`` does it for whole archives. Names are imported when they are first used, so that importing
the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_MODULE_OF = {
    "load": "models",
    "DisputeTagger": "tagger",
    "NoteVectorizer": "features",
    "read_archive": "archive",
    "write_archive": "writing",
    "split_entries": "diary",
    "corpus": "archive",
    "tag_archive": "batch",
    "tag_dask": "cluster",
    "evaluate": "evaluation",
    "clean": "cleaning",
    "mask": "privacy",
    "tokenize": "tokenizer",
    "learn_word_vectors": "word_vectors",
}
__all__ = sorted(_MODULE_OF)

if TYPE_CHECKING:
    from disputenlp.archive import corpus as corpus
    from disputenlp.archive import read_archive as read_archive
    from disputenlp.batch import tag_archive as tag_archive
    from disputenlp.cleaning import clean as clean
    from disputenlp.cluster import tag_dask as tag_dask
    from disputenlp.diary import split_entries as split_entries
    from disputenlp.evaluation import evaluate as evaluate
    from disputenlp.features import NoteVectorizer as NoteVectorizer
    from disputenlp.models import load as load
    from disputenlp.privacy import mask as mask
    from disputenlp.tagger import DisputeTagger as DisputeTagger
    from disputenlp.tokenizer import tokenize as tokenize
    from disputenlp.word_vectors import learn_word_vectors as learn_word_vectors
    from disputenlp.writing import write_archive as write_archive


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'disputenlp' has no attribute {name!r}")
    value = getattr(import_module(f"disputenlp.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
