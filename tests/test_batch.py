"""Whole archives: every row, in order, also after an interruption."""

import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

import disputenlp as dn
from disputenlp import parts, writing
from disputenlp.archive import ArchiveError

RUN = """
import sys
from disputenlp import batch, parts
parts.PART_ROWS = 40
if __name__ == "__main__":
    batch.tag_archive(sys.argv[1], sys.argv[2], workers=1, progress=False)
"""


@pytest.fixture
def source(tmp_path, few: pd.DataFrame):
    path = tmp_path / "notes.csv"
    few[["id", "text"]].to_csv(path, index=False)
    return path


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "xlsx"])
def test_the_result_is_that_of_the_tagger(source, tmp_path, tagger, few, suffix: str) -> None:
    summary = dn.tag_archive(source, tmp_path / f"out.{suffix}", workers=1, progress=False)
    out = dn.read_archive(tmp_path / f"out.{suffix}").rename(columns={"类别": "category", "风险": "risk"})
    tags = tagger.tag(few["text"])
    assert summary.rows == len(few)
    assert out["id"].tolist() == few["id"].tolist()
    assert out["category"].tolist() == tags["category"].tolist()
    assert out["risk"].astype(str).tolist() == tags["risk"].astype(str).tolist()
    assert not list(tmp_path.glob("*.parts"))


def test_workers_and_part_size_change_nothing(source, tmp_path, monkeypatch) -> None:
    dn.tag_archive(source, tmp_path / "one.parquet", workers=1, progress=False)
    monkeypatch.setattr(parts, "PART_ROWS", 100)
    dn.tag_archive(source, tmp_path / "two.parquet", workers=2, progress=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "one.parquet"), pd.read_parquet(tmp_path / "two.parquet"))


def test_types_of_the_input_are_kept(tmp_path) -> None:
    frame = pd.DataFrame(
        {"n": pd.array([1, None], dtype="Int64"), "day": pd.to_datetime(["2024-01-01", "2024-01-02"]), "text": ["漏水", "吵架打人"]}
    )
    frame.to_parquet(tmp_path / "a.parquet")
    dn.tag_archive(tmp_path / "a.parquet", tmp_path / "b.parquet", progress=False)
    import pyarrow.parquet as pq

    before, after = pq.read_schema(tmp_path / "a.parquet"), pq.read_schema(tmp_path / "b.parquet")
    assert [after.field(name).type for name in before.names] == [field.type for field in before]


def test_a_killed_run_goes_on_and_gives_the_same_bytes(source, tmp_path) -> None:
    script, whole, killed = tmp_path / "run.py", tmp_path / "whole.parquet", tmp_path / "killed.parquet"
    script.write_text(RUN, encoding="utf-8")

    def start(target) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(script), str(source), str(target)])

    assert start(whole).wait() == 0
    rng = random.Random(1)
    for _ in range(20):
        run = start(killed)
        time.sleep(rng.uniform(0.5, 2.5))
        run.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        run.wait()
        if killed.exists():  # it was faster
            assert whole.read_bytes() == killed.read_bytes()
            killed.unlink()
    assert start(killed).wait() == 0
    assert whole.read_bytes() == killed.read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(("what", "message"), [("interrupt", b"KeyboardInterrupt"), ("kill a worker", b"worker process was killed")])
def test_with_two_workers_a_broken_run_goes_on(source, tmp_path, what: str, message: bytes) -> None:
    psutil = pytest.importorskip("psutil")
    script, target = tmp_path / "run.py", tmp_path / "out.parquet"
    script.write_text(RUN.replace("workers=1", "workers=2").replace("= 40", "= 10"), encoding="utf-8")
    command = [sys.executable, str(script), str(source), str(target)]
    run = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    while not list(tmp_path.glob("*.parts/*.json")):
        time.sleep(0.01)
        assert run.poll() is None
    if what == "interrupt":
        os.killpg(run.pid, signal.SIGINT)
    else:
        workers = [
            child for child in psutil.Process(run.pid).children(recursive=True) if "resource_tracker" not in " ".join(child.cmdline())
        ]
        workers[0].kill()
    # The pipe stays open as long as any of the processes lives.
    assert message in run.communicate(timeout=60)[1]
    assert not target.exists()
    subprocess.run(command, check=True)
    dn.tag_archive(source, tmp_path / "whole.parquet", workers=1, progress=False)
    pd.testing.assert_frame_equal(pd.read_parquet(target), pd.read_parquet(tmp_path / "whole.parquet"))


def interrupted(source, target, monkeypatch) -> None:
    """Leave a run with one part done."""
    monkeypatch.setattr(parts, "PART_ROWS", 100)

    def stop(files, target) -> None:
        next(iter(files))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writing, "join_parts", stop)
        with pytest.raises(KeyboardInterrupt):
            dn.tag_archive(source, target, workers=1, progress=False)


def test_another_source_or_option_refuses_to_go_on(source, tmp_path, monkeypatch) -> None:
    target = tmp_path / "out.csv"
    interrupted(source, target, monkeypatch)
    with pytest.raises(ArchiveError, match="options"):
        dn.tag_archive(source, target, workers=1, progress=False, labels="id")
    source.write_text(source.read_text(encoding="utf-8") + "x,又漏水了\n", encoding="utf-8")
    with pytest.raises(ArchiveError, match="source"):
        dn.tag_archive(source, target, workers=1, progress=False)
    assert dn.tag_archive(source, target, workers=1, progress=False, resume=False).rows > 0
    assert target.exists()


def test_rows_that_fail_are_kept(tagger, monkeypatch) -> None:
    whole = dn.DisputeTagger.tag

    def fails(self, notes, **options):
        if any("坏" in str(cell) for cell in notes):
            raise RuntimeError("boom")
        return whole(self, notes, **options)

    monkeypatch.setattr(dn.DisputeTagger, "tag", fails)
    out, failed = parts.tag_table(tagger, pd.DataFrame({"text": ["楼上漏水吵起来了", "坏", "欠工资三个月不给"]}), "text", "id", True)
    assert failed == 1
    assert out["category"].tolist()[1] == "none"
    assert out["needs_review"].tolist()[1]


def test_a_folder_is_one_archive(source, tmp_path, few) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.csv", "b.csv"):
        (folder / name).write_bytes(source.read_bytes())
    assert dn.tag_archive(folder, tmp_path / "out.parquet", workers=1, progress=False).rows == 2 * len(few)
    assert pd.read_parquet(tmp_path / "out.parquet")["文件"].unique().tolist() == ["a.csv", "b.csv"]


def test_targets_that_cannot_be_written_are_named_before_work_starts(source, tmp_path) -> None:
    for target in (tmp_path / "no" / "x.csv", tmp_path / "x.pdf", tmp_path):
        with pytest.raises(ArchiveError):
            dn.tag_archive(source, target, progress=False)


def test_a_folder_that_holds_the_target_too_is_not_read_from_it(source, tmp_path, few) -> None:
    for _ in range(2):
        assert dn.tag_archive(source.parent, tmp_path / "out.csv", text="text", workers=1, progress=False).rows == len(few)


def test_another_tagger_for_the_same_target_is_used(source, tmp_path, few) -> None:
    target = tmp_path / "out.parquet"
    for names in (("甲", "乙"), ("丙", "丁")):
        tagger = dn.DisputeTagger(C=1.0).fit(few["text"][:100], categories=[names[n % 2] for n in range(100)])
        assert set(dn.tag_archive(source, target, tagger, workers=1, progress=False).categories) <= set(names)


def test_what_is_tagged_already_can_be_tagged_again(source, tmp_path) -> None:
    dn.tag_archive(source, tmp_path / "once.csv", workers=1, progress=False)
    again = dn.tag_archive(tmp_path / "once.csv", tmp_path / "twice.csv", text="text", workers=1, progress=False)
    assert again.urgent[0]["high_risk_p"] > 0.5
    assert "risk_tag" in pd.read_csv(tmp_path / "twice.csv").columns


def test_a_mistyped_option_does_not_stand_in_the_way_of_the_right_one(source, tmp_path) -> None:
    with pytest.raises(ValueError, match="no column"):
        dn.tag_archive(source, tmp_path / "out.csv", text="txet", workers=1, progress=False)
    assert dn.tag_archive(source, tmp_path / "out.csv", text="text", workers=1, progress=False).rows > 0


def test_a_source_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.csv"):
        dn.tag_archive(tmp_path / "no.csv", tmp_path / "out.csv", progress=False)
    (tmp_path / "bad.parquet").write_bytes(b"junk" * 30)
    with pytest.raises(ArchiveError, match=r"bad\.parquet"):
        dn.tag_archive(tmp_path / "bad.parquet", tmp_path / "out.csv", workers=1)


def test_dask_gives_the_local_result(tagger, few, tmp_path) -> None:
    dd = pytest.importorskip("dask.dataframe")
    frame = few[["id", "text"]]
    out = dn.tag_dask(dd.from_pandas(frame, npartitions=3), text="text").compute(scheduler="sync")
    tags = tagger.tag(frame["text"])
    assert out["id"].tolist() == frame["id"].tolist()
    assert out["category"].tolist() == tags["category"].tolist()
    assert out["risk"].astype(str).tolist() == tags["risk"].astype(str).tolist()


def test_a_cluster_gives_the_local_result_though_a_worker_dies(tagger, few, tmp_path) -> None:
    dd = pytest.importorskip("dask.dataframe")
    distributed = pytest.importorskip("distributed")
    frame = few[["id", "text"]]
    dd.from_pandas(frame, npartitions=12).to_parquet(tmp_path / "in")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        work = dn.tag_dask(dd.read_parquet(tmp_path / "in"), text="text").to_parquet(tmp_path / "out", compute=False)
        future = client.compute(work)
        time.sleep(1)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        future.result(timeout=120)
    out = pd.read_parquet(tmp_path / "out").sort_values("id", ignore_index=True)
    tags = tagger.tag(frame.sort_values("id", ignore_index=True)["text"])
    assert out["id"].tolist() == sorted(frame["id"])
    assert out["category"].tolist() == tags["category"].tolist()
    assert out["risk"].astype(str).tolist() == tags["risk"].astype(str).tolist()
