"""Read and write archives of notes: tables in every usual format, and diaries cut into entries.

:func:`read_archive` and :func:`write_archive` are pandas in and pandas out; what is special to them is what people's files are like:
csv files from Excel in GB18030, a merged title above the header, several sheets, a column of notes under one of a dozen names, a diary of
a year in one text file. Cells of csv and tsv are read as text, as they stand: a house number ``0312`` is not the number 312.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from disputenlp.diary import split_entries

__all__ = [
    "READABLE",
    "TEXT_NAMES",
    "ArchiveError",
    "corpus",
    "decode_bytes",
    "find_encoding",
    "find_text_column",
    "iter_archive",
    "json_row",
    "read_archive",
]

#: File types that :func:`read_archive` reads.
READABLE = (".xlsx", ".xlsm", ".xls", ".csv", ".tsv", ".jsonl", ".parquet", ".txt", ".docx")
#: Usual names of the column of notes; a name that contains one of them counts too, after those that are equal.
TEXT_NAMES = (
    "内容", "走访内容", "民情记录", "走访记录", "记录", "记录内容", "走访情况", "工作记录", "事件描述", "简要情况", "情况说明", "民情日记", "日记", "日志", "详情",
    "描述", "正文", "备注", "诉求", "诉求内容", "text", "content", "note", "notes", "body", "description",
)  # fmt: skip
_HEADER_ROWS, _HEAD_BYTES = 10, 1 << 20


class ArchiveError(ValueError):
    """A file cannot be read or written as an archive; the message names the file and the reason."""


# ---------------------------------------------------------------- the column of notes


def find_text_column(frame: pd.DataFrame, text: str | None = None) -> Any:
    """Name of the column that holds the notes.

    Parameters
    ----------
    frame : DataFrame
    text : str, default=None
        The column, if the caller knows it; otherwise it is found by its usual names, or as the one column of long Chinese text.

    Raises
    ------
    ValueError
        If there is no such column, or more than one that could be it.

    Examples
    --------
    >>> find_text_column(pd.DataFrame({"编号": [1], "走访内容": ["楼上漏水"]}))
    '走访内容'
    """
    columns = list(frame.columns)
    if text is not None:
        if text not in columns:
            raise ValueError(f"there is no column {text!r}; the columns are {', '.join(map(repr, columns))}")
        return text
    plain = {column: str(column).strip().lower() for column in columns}
    named = [column for column in columns if plain[column] in TEXT_NAMES]
    if not named:
        named = [column for column in columns if any(name in plain[column] for name in TEXT_NAMES if len(name) > 1)]
    if len(named) != 1:
        long = [column for column in (named or columns) if _is_long_text(frame[column])]
        if len(long) > 1 or (named and not long):
            both = " and ".join(map(repr, long or named))
            raise ValueError(f"the notes could be in {both}; name the column with text=… (--text on the command line)")
        named = long
    if not named:
        listed = ", ".join(map(repr, columns)) or "none"
        raise ValueError(f"no column of notes found among {listed}; name it with text=… (--text on the command line)")
    return named[0]


def _is_long_text(column: pd.Series[Any]) -> bool:
    cells = [cell for cell in column.head(200).tolist() if isinstance(cell, str) and cell.strip()]
    han = sum(len(re.findall(r"[\u4e00-\u9fff]", cell)) for cell in cells)
    return bool(cells) and han / len(cells) >= 12


# ---------------------------------------------------------------- reading


def read_archive(path: str | PathLike[str], text: str | None = None) -> pd.DataFrame:
    """Read a file of notes, whatever its format.

    Parameters
    ----------
    path : path
        xlsx, xls, csv, tsv, jsonl, parquet, or a diary as txt or docx.
    text : str, default=None
        The column of the notes; given, it must be there. Diaries always have the columns ``日期`` and ``内容``.

    Returns
    -------
    DataFrame
        All columns of the file; those of several sheets one below the other, with a column ``工作表`` (``工作表.1``
        where the file has one of that name).

    Raises
    ------
    ArchiveError
        If the file is empty, damaged, of another type, or has no such column.
    FileNotFoundError
        If there is no such file.
    """
    parts = list(iter_archive(path))
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    if text is not None and text not in frame.columns:
        raise ArchiveError(f"{path}: there is no column {text!r}; the columns are {', '.join(map(repr, frame.columns))}")
    return frame


def iter_archive(path: str | PathLike[str], rows: int = 100_000) -> Iterator[pd.DataFrame]:
    """Read a file of notes part by part; see :func:`read_archive`.

    Yields
    ------
    DataFrame
        Of at most ``rows`` rows, never empty. csv, tsv, jsonl and parquet are streamed; workbooks and diaries are read whole, as they are small.
    """
    source = Path(path)
    if not source.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if source.is_dir():
        raise ArchiveError(f"{path}: is a folder; give a file, or tag the folder with tag_archive")
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise ArchiveError(f"{path}: cannot read files of type {source.suffix or 'none'!r}; known are {', '.join(READABLE)}")
    if source.stat().st_size == 0:
        raise ArchiveError(f"{path}: the file is empty")
    any_rows = False
    try:
        for frame in reader(source, rows):
            if len(frame):
                any_rows = True
                yield frame
    except ImportError as error:
        raise ArchiveError(f"{path}: needs the package {error.name}; run: pip install 'disputenlp[all]'") from None
    except (ArchiveError, MemoryError):
        raise
    except Exception as error:
        # Every reader has errors of its own for a damaged file; the user needs the file and the reason, not the class.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ArchiveError(f"{path}: cannot be read, damaged or not really {source.suffix} ({reason})") from None
    if not any_rows:
        raise ArchiveError(f"{path}: holds no notes")


def decode_bytes(raw: bytes) -> str:
    """Text of a whole file in its likeliest encoding, see :func:`find_encoding`."""
    return raw.decode(find_encoding(raw), errors="replace")


def find_encoding(raw: bytes) -> str:
    """Encoding of text: by its byte order mark, else UTF-8, else GB18030 (which holds GBK and GB2312), else the likeliest."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            return encoding
    for encoding in ("utf-8", "gb18030"):
        try:
            # The last character may be cut where only the beginning of a file is looked at.
            codecs.getincrementaldecoder(encoding)().decode(raw)
        except UnicodeDecodeError:
            continue
        return encoding
    from charset_normalizer import from_bytes

    best = from_bytes(raw[:200_000]).best()
    return best.encoding if best else "gb18030"


def _lines_of(path: Path) -> io.TextIOWrapper:
    with path.open("rb") as file:
        encoding = find_encoding(file.read(_HEAD_BYTES))
    return path.open(encoding=encoding, errors="replace", newline="")


def _iter_delimited(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    with _lines_of(path) as file:
        first = file.readline()
        file.seek(0)
        separator = "\t" if path.suffix.lower() == ".tsv" else max(",\t;", key=first.count)
        # The standard reader, because it takes lines of any width: a comma typed into a note must not lose the note.
        limit = csv.field_size_limit(2**31 - 1)
        try:
            lines = (line for line in csv.reader(file, delimiter=separator) if line)
            header = _unique(next(lines, []))
            while part := list(islice(lines, rows)):
                yield _fitted(part, header, separator)
        finally:
            csv.field_size_limit(limit)


def _fitted(lines: list[list[str]], header: list[str], separator: str) -> pd.DataFrame:
    """Table of the cells of some lines; what a line has too much belongs to its last column, what it lacks is empty."""
    width = len(header)
    for number, line in enumerate(lines):
        if len(line) > width:
            lines[number] = [*line[: width - 1], separator.join(line[width - 1 :])]
        elif len(line) < width:
            lines[number] = line + [""] * (width - len(line))
    frame = pd.DataFrame(lines, columns=header, dtype=object)
    return frame.where(frame.notna() & (frame != ""), None)


def _iter_excel(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=object, engine="calamine")
    filled = {name: frame for name, cells in sheets.items() if len(frame := _with_header(cells))}
    if not filled:
        raise ArchiveError(f"{path}: no sheet holds any notes")
    # A workbook may have a column 工作表 of its own, which is kept: ours is then 工作表.1.
    own = dict.fromkeys(column for frame in filled.values() for column in frame.columns)
    sheet = _unique([*own, "工作表"])[-1]
    for name, frame in filled.items():
        yield from _cut(frame if len(filled) == 1 else frame.assign(**{sheet: name}), rows)


def _cut(frame: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    for first in range(0, len(frame), rows):
        yield frame.iloc[first : first + rows]


def _with_header(sheet: pd.DataFrame) -> pd.DataFrame:
    """Find the header row: the first that names a column of notes, else the first with more than one cell filled."""
    sheet = sheet.dropna(how="all").dropna(how="all", axis=1)
    if sheet.empty:
        return sheet
    rows = [[str(cell).strip() if not pd.isna(cell) else "" for cell in row] for row in sheet.head(_HEADER_ROWS).to_numpy().tolist()]
    named = [n for n, row in enumerate(rows) if any(cell.lower() in TEXT_NAMES for cell in row)]
    wide = [n for n, row in enumerate(rows) if sum(map(bool, row)) > 1 or sheet.shape[1] == 1]
    header = (named or wide or [0])[0]
    body = sheet.iloc[header + 1 :].reset_index(drop=True)
    body.columns = pd.Index(_unique(rows[header]))
    return body.infer_objects()


def _unique(cells: list[str]) -> list[str]:
    """Names of columns: empty ones get their position, double ones a number."""
    seen: Counter[str] = Counter()
    names = []
    for position, cell in enumerate(cells, 1):
        name = cell.strip() or f"列{position}"
        names.append(f"{name}.{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def _iter_jsonl(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    with _lines_of(path) as file:
        lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        while part := list(islice(lines, rows)):
            yield pd.DataFrame([json_row(path, number, line) for number, line in part])


def json_row(path: Path, number: int, line: str) -> dict[str, Any]:
    """The object in a line of a JSON Lines file."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ArchiveError(f"{path}, line {number}: not valid JSON ({error.msg}); mend or remove the line") from None
    if not isinstance(row, dict):
        raise ArchiveError(f"{path}, line {number}: expected a JSON object a line, got {type(row).__name__}")
    return row


def _iter_parquet(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=rows):
            # Arrow's own types, so that what comes out has the types of what went in.
            yield batch.to_pandas(types_mapper=pd.ArrowDtype).reset_index(drop=True)


def _iter_txt(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    yield from _cut(_entries_frame(decode_bytes(path.read_bytes())), rows)


def _iter_docx(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    import docx

    lines = []
    for block in docx.Document(str(path)).iter_inner_content():
        if hasattr(block, "rows"):
            lines += [" ".join(dict.fromkeys(cell.text.strip() for cell in row.cells)) for row in block.rows]
        else:
            lines.append(block.text)
    yield from _cut(_entries_frame("\n".join(lines)), rows)


def _entries_frame(content: str) -> pd.DataFrame:
    entries = split_entries(content)
    return pd.DataFrame({"日期": [entry.date for entry in entries], "内容": [entry.text for entry in entries]}, dtype=object)


_READERS: dict[str, Callable[[Path, int], Iterator[pd.DataFrame]]] = {
    ".xlsx": _iter_excel,
    ".xlsm": _iter_excel,
    ".xls": _iter_excel,
    ".csv": _iter_delimited,
    ".tsv": _iter_delimited,
    ".jsonl": _iter_jsonl,
    ".parquet": _iter_parquet,
    ".txt": _iter_txt,
    ".docx": _iter_docx,
}


# ---------------------------------------------------------------- the corpus


@cache
def _corpus_files() -> tuple[Path, ...]:
    packaged = Path(str(files("disputenlp"))) / "resources" / "corpus"
    # An editable install has no copy of the corpus: it stands at the root of the checkout.
    folder = packaged if packaged.is_dir() else Path(str(files("disputenlp"))).parents[1] / "data" / "corpus"
    return tuple(sorted(folder.glob("*.jsonl")))


def corpus() -> pd.DataFrame:
    """The invented, hand-labelled notes that the bundled model was trained on.

    Returns
    -------
    DataFrame
        Columns ``text``, ``categories`` (list of ids, primary first), ``risk``, ``status``, ``voice``, ``batch`` and ``traits``.

    Raises
    ------
    FileNotFoundError
        If the corpus was left out of the installation.

    Examples
    --------
    >>> notes = corpus()
    >>> {"text", "categories", "risk", "status", "voice"} <= set(notes.columns)
    True
    """
    paths = _corpus_files()
    if not paths:
        raise FileNotFoundError("the corpus is not part of this installation; install disputenlp from its repository or wheel")
    return pd.concat([pd.read_json(path, lines=True, dtype=False) for path in paths], ignore_index=True)
