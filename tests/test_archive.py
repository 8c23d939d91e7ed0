"""Files as people have them, read and written without loss."""

import zipfile
from pathlib import Path

import pandas as pd
import pytest

import disputenlp as dn
from disputenlp.archive import ArchiveError, iter_archive

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
FRAME = pd.DataFrame({"编号": ["0312", "0313"], "走访内容": ["楼上漏水，说了三次", "=1+1 欠工资"], "片区": ["一", None]})


@pytest.mark.parametrize("suffix", ["xlsx", "csv", "tsv", "jsonl", "parquet"])
def test_the_samples_hold_the_same_notes_in_every_format(suffix: str) -> None:
    frame = dn.read_archive(SAMPLES / f"走访记录.{suffix}")
    assert len(frame) == 36
    assert frame["编号"].tolist()[:2] == ["0001", "0002"]
    assert "林阿姨" in frame["走访内容"][0]


@pytest.mark.parametrize("suffix", ["txt", "docx"])
def test_a_diary_is_cut_at_its_dates(suffix: str) -> None:
    frame = dn.read_archive(SAMPLES / f"民情日记.{suffix}")
    assert frame["日期"].tolist()[1:3] == ["2024-03-04", "2024-03-05"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_the_encoding_of_a_csv_is_found(tmp_path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("编号,内容\n1,楼上漏水没人管\n".encode(encoding))
    assert dn.read_archive(path)["内容"][0] == "楼上漏水没人管"


@pytest.mark.parametrize("suffix", [".xlsx", ".csv", ".tsv", ".jsonl", ".parquet"])
def test_what_is_written_can_be_read_again(tmp_path, suffix: str) -> None:
    dn.write_archive(FRAME, tmp_path / f"a{suffix}")
    back = dn.read_archive(tmp_path / f"a{suffix}")
    assert back["编号"].tolist() == ["0312", "0313"]
    assert back["走访内容"].tolist() == FRAME["走访内容"].tolist()
    assert pd.isna(back["片区"][1])


def test_a_written_csv_opens_in_excel_with_its_chinese(tmp_path) -> None:
    dn.write_archive(FRAME, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_a_written_workbook_has_headings_filters_and_colours(tmp_path, tagger: dn.DisputeTagger) -> None:
    frame = pd.concat([FRAME, tagger.tag(FRAME)], axis=1)
    dn.write_archive(frame, tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as book:
        sheet, styles = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/styles.xml").decode()
    assert 'state="frozen"' in sheet
    assert "<autoFilter" in sheet
    assert "<cols>" in sheet
    assert "FFE2EFDA" in styles
    assert "<f>" not in sheet
    back = dn.read_archive(tmp_path / "a.xlsx")
    assert {"类别", "风险", "依据"} <= set(back.columns)


def test_a_merged_title_and_several_sheets(tmp_path) -> None:
    path = tmp_path / "a.xlsx"
    frame = FRAME.assign(走访内容=["楼上漏水，说了三次", "欠工资"])
    with pd.ExcelWriter(path, engine="xlsxwriter") as writer:
        for name in ("一月", "二月"):
            frame.to_excel(writer, sheet_name=name, index=False, startrow=2)
            writer.sheets[name].merge_range(0, 0, 0, 2, "走访登记表")
        writer.book.add_worksheet("空")
    back = dn.read_archive(path)
    assert back["工作表"].tolist() == ["一月", "一月", "二月", "二月"]
    assert back["走访内容"].tolist() == frame["走访内容"].tolist() * 2


def test_a_column_named_like_the_sheets_column_is_kept(tmp_path) -> None:
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path, engine="xlsxwriter") as writer:
        pd.DataFrame({"内容": ["楼上漏水"], "工作表": ["甲"]}).to_excel(writer, sheet_name="一月", index=False)
        pd.DataFrame({"内容": ["欠工资"]}).to_excel(writer, sheet_name="二月", index=False)
    back = dn.read_archive(path)
    assert back["工作表"].tolist()[0] == "甲"
    assert back["工作表.1"].tolist() == ["一月", "二月"]


def test_a_comma_too_many_loses_nothing(tmp_path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("编号,内容\n1,漏水,吵了一架,没动手\n2\n3,好\n", encoding="utf-8")
    assert dn.read_archive(path)["内容"].tolist() == ["漏水,吵了一架,没动手", None, "好"]


def test_reading_in_parts_gives_the_whole(tmp_path, few: pd.DataFrame) -> None:
    few[["id", "text"]].to_parquet(tmp_path / "a.parquet")
    few[["id", "text"]].to_csv(tmp_path / "a.csv", index=False)
    for name in ("a.parquet", "a.csv"):
        parts = list(iter_archive(tmp_path / name, 50))
        assert [len(part) for part in parts[:-1]] == [50] * (len(parts) - 1)
        assert pd.concat(parts)["text"].tolist() == few["text"].tolist()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.csv", b"", "empty"),
        ("header.csv", "编号,内容\n".encode(), "no notes"),
        ("cut.xlsx", b"PK\x03\x04broken", "damaged"),
        ("cut.parquet", b"PAR1broken", "damaged"),
        ("cut.docx", b"PK\x03\x04broken", "damaged"),
        ("bad.jsonl", b'{"a": 1}\n{"a"', "line 2"),
        ("notes.pdf", b"%PDF", "cannot read files of type"),
    ],
)
def test_a_bad_file_gives_one_line_with_its_name(tmp_path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=reason) as error:
        dn.read_archive(path)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_files_columns_and_folders_are_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        dn.read_archive(tmp_path / "nothing.csv")
    with pytest.raises(ArchiveError, match="正文"):
        dn.read_archive(SAMPLES / "走访记录.csv", text="正文")
    with pytest.raises(ArchiveError, match="does not exist"):
        dn.write_archive(FRAME, tmp_path / "no" / "a.csv")
    with pytest.raises(ArchiveError, match="cannot write"):
        dn.write_archive(FRAME, tmp_path / "a.pdf")


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("4月26日 星期二 晴\n走访\n4月27日\n无事", ["04-26", "04-27"]),
        ("2023.5.13\n走访\n5/14上午 漏水", ["2023-05-13", "2023-05-14"]),
        ("3.5元一斤的菜\n3-502漏水", [None]),
        ("前言\n2024年1月2日 雨\n好", [None, "2024-01-02"]),
        ("", []),
    ],
)
def test_headings_are_dates_and_nothing_else(text: str, dates: list) -> None:
    entries = dn.split_entries(text)
    assert [entry.date for entry in entries] == dates
    assert all(text[entry.start :].startswith(entry.text[:4]) for entry in entries)


def test_amounts_and_house_numbers_are_no_headings() -> None:
    for text in ("1.5小时后到现场\n无异常", "1.5公里外有纠纷", "1月3号楼王家漏水"):
        assert [entry.text for entry in dn.split_entries(text)] == [text]


def test_after_new_year_the_year_goes_on() -> None:
    dates = [entry.date for entry in dn.split_entries("2023年12月31日\n无异常\n1月1日\n有人吵架\n2月3日\n无")]
    assert dates == ["2023-12-31", "2024-01-01", "2024-02-03"]
