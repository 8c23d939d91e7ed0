"""Read and write archives of notes: tables in every usual format, and diaries cut into entries.

:func:`read_archive` and :func:`write_archive` are pandas in and pandas out; what is special to them is what people's files are like:
csv files from Excel in GB18030, a merged title above the header, several sheets, a column of notes under one of a dozen names, a diary of
a year in one text file. Cells of csv and tsv are read as text, as they stand: a house number ``0312`` is not the number 312.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
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
    "find_text_column",
    "read_archive",
    "write_archive",
]

#: File types that :func:`read_archive` reads.
READABLE = (".xlsx", ".xlsm", ".xls", ".csv", ".tsv", ".jsonl", ".parquet", ".txt", ".docx")
#: Usual names of the column of notes; a name that contains one of them counts too, after those that are equal.
TEXT_NAMES = (
    "内容", "走访内容", "民情记录", "走访记录", "记录", "记录内容", "走访情况", "工作记录", "事件描述", "简要情况", "情况说明", "民情日记", "日记", "日志", "详情",
    "描述", "正文", "备注", "诉求", "诉求内容", "text", "content", "note", "notes", "body", "description",
)  # fmt: skip
_HEADER_ROWS = 10


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
        All columns of the file; those of several sheets one below the other, with a column ``工作表``.

    Raises
    ------
    ArchiveError
        If the file is empty, damaged, of another type, or has no such column.
    FileNotFoundError
        If there is no such file.
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
    try:
        frame = reader(source)
    except ImportError as error:
        raise ArchiveError(f"{path}: needs the package {error.name}; run: pip install 'disputenlp[all]'") from None
    except (ArchiveError, MemoryError):
        raise
    except Exception as error:
        # Every reader has errors of its own for a damaged file; the user needs the file and the reason, not the class.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ArchiveError(f"{path}: cannot be read, damaged or not really {source.suffix} ({reason})") from None
    if frame.empty:
        raise ArchiveError(f"{path}: holds no notes")
    if text is not None and text not in frame.columns:
        raise ArchiveError(f"{path}: there is no column {text!r}; the columns are {', '.join(map(repr, frame.columns))}")
    return frame


def decode_bytes(raw: bytes) -> str:
    """Text of a file: by its byte order mark, else UTF-8, else GB18030 (which holds GBK and GB2312), else the likeliest encoding."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            return raw.decode(encoding, errors="replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    from charset_normalizer import from_bytes

    best = from_bytes(raw[:200_000]).best()
    return raw.decode(best.encoding if best else "gb18030", errors="replace")


def _read_delimited(path: Path) -> pd.DataFrame:
    content = decode_bytes(path.read_bytes()).lstrip("\ufeff")
    header = content.split("\n", 1)[0]
    separator = "\t" if path.suffix.lower() == ".tsv" else max(",\t;", key=header.count)
    options: dict[str, Any] = {"sep": separator, "dtype": str, "keep_default_na": False, "na_values": [""]}
    try:
        return pd.read_csv(io.StringIO(content), **options)
    except pd.errors.EmptyDataError:
        raise ArchiveError(f"{path}: the file is empty") from None
    except pd.errors.ParserError:
        # A comma typed into a note without quotes: what is too much belongs to the last column.
        width = header.count(separator) + 1

        def joined(fields: list[str]) -> list[str]:
            return [*fields[: width - 1], separator.join(fields[width - 1 :])]

        return pd.read_csv(io.StringIO(content), engine="python", on_bad_lines=joined, **options)


def _read_excel(path: Path) -> pd.DataFrame:
    sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=object, engine="calamine")
    frames = {name: _with_header(sheet) for name, sheet in sheets.items()}
    filled = {name: frame for name, frame in frames.items() if not frame.empty}
    if not filled:
        raise ArchiveError(f"{path}: no sheet holds any notes")
    if len(filled) == 1:
        return next(iter(filled.values()))
    return pd.concat([frame.assign(工作表=name) for name, frame in filled.items()], ignore_index=True)


def _with_header(sheet: pd.DataFrame) -> pd.DataFrame:
    """Find the header row: the first that names a column of notes, else the first with more than one cell filled."""
    sheet = sheet.dropna(how="all").dropna(how="all", axis=1)
    if sheet.empty:
        return sheet
    rows = [[str(cell).strip() if not pd.isna(cell) else "" for cell in row] for row in sheet.head(_HEADER_ROWS).to_numpy().tolist()]
    named = [n for n, row in enumerate(rows) if any(cell.lower() in TEXT_NAMES for cell in row)]
    wide = [n for n, row in enumerate(rows) if sum(map(bool, row)) > 1 or sheet.shape[1] == 1]
    header = (named or wide or [0])[0]
    seen: dict[str, int] = {}
    names = []
    for position, cell in enumerate(rows[header]):
        name = cell or f"列{position + 1}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}.{seen[name] - 1}")
    body = sheet.iloc[header + 1 :].reset_index(drop=True)
    body.columns = pd.Index(names)
    return body.infer_objects()


def _read_jsonl(path: Path) -> pd.DataFrame:
    return pd.read_json(io.StringIO(decode_bytes(path.read_bytes())), lines=True, dtype=False, convert_dates=False)


def _read_txt(path: Path) -> pd.DataFrame:
    return _entries_frame(decode_bytes(path.read_bytes()))


def _read_docx(path: Path) -> pd.DataFrame:
    import docx

    document = docx.Document(str(path))
    lines = []
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            lines += [" ".join(dict.fromkeys(cell.text.strip() for cell in row.cells)) for row in block.rows]
        else:
            lines.append(block.text)
    return _entries_frame("\n".join(lines))


def _entries_frame(content: str) -> pd.DataFrame:
    entries = split_entries(content)
    return pd.DataFrame({"日期": [entry.date for entry in entries], "内容": [entry.text for entry in entries]}, dtype=object)


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".xlsx": _read_excel,
    ".xlsm": _read_excel,
    ".xls": _read_excel,
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".jsonl": _read_jsonl,
    ".parquet": pd.read_parquet,
    ".txt": _read_txt,
    ".docx": _read_docx,
}


# ---------------------------------------------------------------- writing

#: Rows of an Excel sheet, with its header.
EXCEL_ROWS, _EXCEL_CHARS = 1_048_576, 32_767
_RISK_COLOURS = {
    "高": "#F8CBAD",
    "high": "#F8CBAD",
    "中": "#FFE699",
    "medium": "#FFE699",
    "低": "#E2EFDA",
    "low": "#E2EFDA",
}


def write_archive(frame: pd.DataFrame, path: str | PathLike[str]) -> None:
    """Write a table of notes as xlsx, csv, tsv, jsonl or parquet; the file appears whole or not at all.

    Lists become one text in csv and xlsx, csv opens in Excel with its Chinese intact, and xlsx has a frozen header, filters, sensible widths and
    rows coloured by risk.

    Parameters
    ----------
    frame : DataFrame
    path : path

    Raises
    ------
    ArchiveError
        If the file type is unknown, or its folder is missing or not writable.
    """
    target = Path(path)
    writer = _WRITERS.get(target.suffix.lower())
    if writer is None:
        raise ArchiveError(f"{path}: cannot write files of type {target.suffix or 'none'!r}; known are {', '.join(_WRITERS)}")
    with whole_file(target) as part:
        try:
            writer(frame, part)
        except ImportError as error:
            raise ArchiveError(f"{path}: needs the package {error.name}; run: pip install 'disputenlp[all]'") from None


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Path to write to, which takes the place of ``target`` only when all is written."""
    part = target.with_name(f".{target.name}.part")
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise ArchiveError(f"{target}: cannot be written ({error.strerror or error})") from None
    finally:
        part.unlink(missing_ok=True)


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with lists as one text, for formats without lists."""
    lists = [name for name in frame.columns if frame[name].dtype == object and frame[name].map(lambda cell: isinstance(cell, list)).any()]
    joined = {name: frame[name].map(lambda cell: "；".join(map(str, cell)) if isinstance(cell, list) else cell) for name in lists}
    return frame.assign(**joined)


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    flat(frame).to_csv(path, index=False, encoding="utf-8-sig", errors="replace")


def _write_tsv(frame: pd.DataFrame, path: Path) -> None:
    flat(frame).to_csv(path, index=False, sep="\t", encoding="utf-8-sig", errors="replace")


def _write_jsonl(frame: pd.DataFrame, path: Path) -> None:
    frame.to_json(path, orient="records", lines=True, force_ascii=False, date_format="iso")


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False)


def _write_xlsx(frame: pd.DataFrame, path: Path) -> None:
    import xlsxwriter

    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "nan_inf_to_errors": True,
    }
    with xlsxwriter.Workbook(str(path), {**options, "default_date_format": "yyyy-mm-dd"}) as book:
        for number, first in enumerate(range(0, max(len(frame), 1), EXCEL_ROWS - 1)):
            part = flat(frame.iloc[first : first + EXCEL_ROWS - 1])
            _write_sheet(book, book.add_worksheet("标注" if not number else f"标注{number + 1}"), part)


def _write_sheet(book: Any, sheet: Any, frame: pd.DataFrame) -> None:
    bold = book.add_format({"bold": True, "bg_color": "#D9E1F2", "border": 1})
    styles = {level: book.add_format({"bg_color": colour, "text_wrap": True, "valign": "top"}) for level, colour in _RISK_COLOURS.items()}
    plain = book.add_format({"text_wrap": True, "valign": "top"})
    risk = next((position for position, name in enumerate(frame.columns) if name in ("risk", "风险")), None)
    for position, name in enumerate(frame.columns):
        longest = max(
            (sum(1 + (char > "\u2e80") for char in str(cell)[:80]) for cell in [name, *frame[name].head(200)]),
            default=8,
        )
        sheet.set_column(position, position, min(max(longest + 2, 8), 60))
    sheet.freeze_panes(1, 0)
    sheet.write_row(0, 0, list(map(str, frame.columns)), bold)
    for number, row in enumerate(frame.itertuples(index=False, name=None), 1):
        style = styles.get(row[risk], plain) if risk is not None else plain
        for position, cell in enumerate(row):
            _write_cell(sheet, number, position, cell, style)
    sheet.autofilter(0, 0, len(frame), max(frame.shape[1] - 1, 0))


def _write_cell(sheet: Any, row: int, column: int, cell: Any, style: Any) -> None:
    if isinstance(cell, str):
        sheet.write_string(row, column, cell.encode("utf-8", "replace").decode()[:_EXCEL_CHARS], style)
    elif cell is None or cell is pd.NaT or (isinstance(cell, float) and cell != cell):
        sheet.write_blank(row, column, None, style)
    elif isinstance(cell, bool):
        sheet.write_string(row, column, "是" if cell else "否", style)
    elif isinstance(cell, float):
        sheet.write_number(row, column, round(cell, 4), style)
    elif isinstance(cell, int):
        sheet.write_number(row, column, cell, style)
    else:
        sheet.write_string(row, column, str(cell)[:_EXCEL_CHARS], style)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".xlsx": _write_xlsx,
    ".csv": _write_csv,
    ".tsv": _write_tsv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}


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
