"""Write tables of notes: xlsx that a person likes to open, csv that Excel reads, jsonl and parquet.

Every writer takes the table part by part, so that memory does not grow with an archive. What is written appears whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from disputenlp.archive import ArchiveError

__all__ = ["HEADINGS", "WRITABLE", "check_target", "join_parts", "whole_file", "write_archive", "write_parts"]

#: File types that :func:`write_archive` writes.
WRITABLE = (".xlsx", ".csv", ".tsv", ".jsonl", ".parquet")
#: Headings of the columns of tags in workbooks, which people open.
HEADINGS = {
    "category": "类别",
    "categories": "全部类别",
    "category_p": "类别概率",
    "risk": "风险",
    "risk_p": "风险概率",
    "high_risk_p": "高风险概率",
    "status": "化解状态",
    "needs_review": "需复核",
    "evidence": "依据",
}
#: Rows of an Excel sheet, with its header; and characters of a cell.
EXCEL_ROWS, _EXCEL_CHARS = 1_048_576, 32_767
_RED, _YELLOW, _GREEN = "#F8CBAD", "#FFE699", "#E2EFDA"
_COLOUR_OF_RISK = {"高": _RED, "high": _RED, "中": _YELLOW, "medium": _YELLOW, "低": _GREEN, "low": _GREEN}


def write_archive(frame: pd.DataFrame, path: str | PathLike[str]) -> None:
    """Write a table of notes as xlsx, csv, tsv, jsonl or parquet; the file appears whole or not at all.

    Lists become one text in csv and xlsx. csv opens in Excel with its Chinese intact; xlsx has Chinese headings for tags, a frozen header,
    filters, sensible widths and rows coloured by risk, and several sheets where there are more rows than one can hold.

    Parameters
    ----------
    frame : DataFrame
    path : path

    Raises
    ------
    ArchiveError
        If the file type is unknown, or its folder is missing or not writable.
    """
    write_parts([frame], path)


def write_parts(parts: Iterable[pd.DataFrame], path: str | PathLike[str]) -> None:
    """Write a table that comes in parts with the same columns; see :func:`write_archive`."""
    target = Path(path)
    check_target(target)
    with whole_file(target) as part:
        try:
            _WRITERS[target.suffix.lower()](iter(parts), part)
        except ImportError as error:
            raise ArchiveError(f"{path}: needs the package {error.name}; run: pip install 'disputenlp[all]'") from None


def join_parts(files: Iterable[Path], path: str | PathLike[str]) -> None:
    """Write one file of many parquet files with the same columns, as they come; what was empty in one takes the type it has in the others."""
    import pyarrow.parquet as pq

    if Path(path).suffix.lower() == ".parquet":
        _join_parquet(iter(files), Path(path))
    else:
        write_parts((_plain(pq.read_table(file)) for file in files), path)


def _join_parquet(files: Iterator[Path], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    seen = [next(files)]
    schema = pq.read_schema(seen[0]).remove_metadata()
    with whole_file(path) as part:
        with pq.ParquetWriter(part, schema) as writer:
            for file in chain(seen[:], files):
                seen.append(file)
                table = pq.read_table(file).replace_schema_metadata()
                if table.schema != schema:
                    break
                writer.write_table(table)
            else:
                return
        # Another type in a later part: all have to be known before the first can be written.
        seen = [*dict.fromkeys(seen), *files]
        try:
            schema = pa.unify_schemas([pq.read_schema(file).remove_metadata() for file in seen], promote_options="permissive")
        except pa.ArrowTypeError as error:
            raise ArchiveError(f"{path}: a column of the source changes its type ({error}); write csv or jsonl instead") from None
        with pq.ParquetWriter(part, schema) as writer:
            for file in seen:
                table = pq.read_table(file)
                for name in [name for name in schema.names if name not in table.column_names]:
                    table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
                writer.write_table(table.select(schema.names).cast(schema))


def _plain(table: Any) -> pd.DataFrame:
    """An Arrow table as plain Python values: a whole number stays one, though others of its column are missing."""
    return pd.DataFrame({name: pd.Series(table[name].to_pylist(), dtype=object) for name in table.column_names})


def check_target(target: Path) -> None:
    """Raise an :class:`ArchiveError` where a file surely cannot be written."""
    if target.suffix.lower() not in WRITABLE:
        raise ArchiveError(f"{target}: cannot write files of type {target.suffix or 'none'!r}; known are {', '.join(WRITABLE)}")
    if target.is_dir():
        raise ArchiveError(f"{target}: is a folder, not a file")
    if not target.absolute().parent.is_dir():
        raise ArchiveError(f"{target}: the folder {target.absolute().parent} does not exist; make it first")


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


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with lists as one text, for formats without lists."""
    joined = {}
    for name in frame.columns:
        if frame[name].dtype == object and frame[name].map(lambda cell: isinstance(cell, list)).any():
            joined[name] = frame[name].map(lambda cell: "；".join(map(str, cell)) if isinstance(cell, list) else cell)
    return frame.assign(**joined)


def _write_csv(parts: Iterator[pd.DataFrame], path: Path, separator: str = ",") -> None:
    with path.open("w", encoding="utf-8-sig", errors="replace", newline="") as file:
        for number, frame in enumerate(parts):
            _flat(frame).to_csv(file, index=False, header=number == 0, sep=separator, lineterminator="\r\n")


def _write_tsv(parts: Iterator[pd.DataFrame], path: Path) -> None:
    _write_csv(parts, path, "\t")


def _write_jsonl(parts: Iterator[pd.DataFrame], path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for frame in parts:
            frame.reset_index(drop=True).to_json(file, orient="records", lines=True, force_ascii=False, date_format="iso")


def _write_parquet(parts: Iterator[pd.DataFrame], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = (pa.Table.from_pandas(_storable(frame), preserve_index=False) for frame in parts)
    first = next(tables)
    with pq.ParquetWriter(path, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table.cast(first.schema))


def _storable(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with columns of mixed types (which a workbook may have) as text, since parquet has one type a column."""
    kinds = {name: pd.api.types.infer_dtype(frame[name], skipna=True) for name in frame.columns if frame[name].dtype == object}
    mixed = [name for name, kind in kinds.items() if kind.startswith("mixed") and not frame[name].map(lambda c: isinstance(c, list)).any()]
    text = {name: frame[name].map(lambda cell: cell if pd.isna(cell) else str(cell)) for name in mixed}
    # A lone surrogate is no text that can be stored.
    strings = [name for name, kind in kinds.items() if kind == "string"]
    text |= {name: frame[name].map(_sound) for name in strings}
    return frame.assign(**text)


def _sound(cell: Any) -> Any:
    return cell.encode("utf-8", "replace").decode() if isinstance(cell, str) else cell


def _write_xlsx(parts: Iterator[pd.DataFrame], path: Path) -> None:
    import xlsxwriter

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
    with xlsxwriter.Workbook(str(path), options) as book:
        # Equal content gives equal bytes.
        book.set_properties({"created": datetime(2000, 1, 1)})
        sheets: list[_Sheet] = []
        for frame in parts:
            rows = _flat(frame)
            while not sheets or len(rows):
                if not sheets or sheets[-1].row == EXCEL_ROWS:
                    sheets.append(_Sheet(book, f"标注{len(sheets) + 1}" if sheets else "标注", rows))
                room = EXCEL_ROWS - sheets[-1].row
                sheets[-1].add(rows.iloc[:room])
                rows = rows.iloc[room:]


class _Sheet:
    """One sheet of tagged notes, filled row by row."""

    def __init__(self, book: Any, name: str, sample: pd.DataFrame) -> None:
        self.sheet = book.add_worksheet(name)
        self.row = 1
        layout = {"text_wrap": True, "valign": "top"}
        self._plain = book.add_format(layout)
        self._styles = {level: book.add_format({"bg_color": colour, **layout}) for level, colour in _COLOUR_OF_RISK.items()}
        columns = list(sample.columns)
        self._risk = next((position for position, column in enumerate(columns) if column in ("risk", "风险")), None)
        headings = [str(HEADINGS.get(column, column)) for column in columns]
        for position, (heading, column) in enumerate(zip(headings, columns, strict=True)):
            cells = [heading, *sample[column].head(200)]
            longest = max(sum(1 + (char > "\u2e80") for char in str(cell)[:80]) for cell in cells)
            self.sheet.set_column(position, position, min(max(longest + 2, 8), 60))
        self.sheet.freeze_panes(1, 0)
        self._last_column = max(len(columns) - 1, 0)
        self.sheet.write_row(0, 0, headings, book.add_format({"bold": True, "bg_color": "#D9E1F2", "border": 1}))

    def add(self, frame: pd.DataFrame) -> None:
        for row in frame.itertuples(index=False, name=None):
            style = self._styles.get(row[self._risk], self._plain) if self._risk is not None else self._plain
            for position, cell in enumerate(row):
                self._write(position, cell, style)
            self.row += 1
        self.sheet.autofilter(0, 0, self.row - 1, self._last_column)

    def _write(self, column: int, cell: Any, style: Any) -> None:
        if isinstance(cell, bool):
            self.sheet.write_string(self.row, column, "是" if cell else "否", style)
        elif isinstance(cell, int | float) and cell == cell:
            self.sheet.write_number(self.row, column, round(cell, 4), style)
        elif cell is None or pd.isna(cell):
            self.sheet.write_blank(self.row, column, None, style)
        else:
            self.sheet.write_string(self.row, column, str(_sound(str(cell)))[:_EXCEL_CHARS], style)


_WRITERS: dict[str, Callable[[Iterator[pd.DataFrame], Path], None]] = {
    ".xlsx": _write_xlsx,
    ".csv": _write_csv,
    ".tsv": _write_tsv,
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
