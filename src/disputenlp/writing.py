"""Write tables of notes: xlsx that a person likes to open, csv that Excel reads, jsonl and parquet.

:func:`write_archive` takes a table; whole archives are written part by part through :func:`open_writer`, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from disputenlp.archive import ArchiveError

__all__ = ["write_archive"]

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
