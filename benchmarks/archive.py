"""Whole archives: growth, memory and workers: ``python benchmarks/archive.py [notes]``.

Each run is a process of its own, start-up included. Memory is the most that a process of the run (the main one, or a worker) held.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

import disputenlp as dn

MOST = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
RUN = """
import json, re, resource, sys, time
from pathlib import Path
import disputenlp as dn
if __name__ == "__main__":
    start = time.perf_counter()
    summary = dn.tag_archive(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]), evidence=sys.argv[4] == "1", progress=False, resume=False)
    spent = time.perf_counter() - start
    main = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 2**20
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(json.dumps({"rows": summary.rows, "seconds": spent, "main": main, "worker": worker}))
"""


def source(folder: Path, size: int) -> Path:
    """An archive of invented notes of about 160 characters; each is put together anew."""
    path = folder / f"{size}.parquet"
    texts, rng = np.array(dn.corpus()["text"], dtype=object), np.random.default_rng(0)
    picked = texts[rng.integers(len(texts), size=(size, 3))]
    notes = [("，".join(row))[:170] for row in picked.tolist()]
    pd.DataFrame({"编号": np.arange(size), "日期": "2024-05-01", "走访内容": notes}).to_parquet(path)
    return path


def run(folder: Path, path: Path, workers: int, evidence: bool) -> dict[str, float]:
    script = folder / "run.py"
    script.write_text(RUN, encoding="utf-8")
    env = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), str(path), str(folder / "out.parquet"), str(workers), str(int(evidence))],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    return {**json.loads(done.stdout), "whole": time.perf_counter() - start}


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        print(
            "| notes | workers | evidence | seconds | µs a note | main process, GiB | a worker, GiB |\n| --- | --- | --- | --- | --- | --- | --- |"
        )
        runs = [(size, 1, False) for size in (10_000, 100_000, 1_000_000) if size <= MOST]
        runs += [(min(200_000, MOST), 1, True), (min(200_000, MOST), 2, True)]
        seconds = {}
        for size, workers, evidence in runs:
            path = source(folder, size)
            found = run(folder, path, workers, evidence)
            seconds[workers, evidence] = found["whole"]
            print(
                f"| {size:,} | {workers} | {'yes' if evidence else 'no'} | {found['whole']:.1f} | {1e6 * found['seconds'] / size:.0f} "
                f"| {found['main']:.2f} | {found['worker'] if workers > 1 else 0:.2f} |",
                flush=True,
            )
            path.unlink()
        print(f"\ntwo workers are {seconds[1, True] / seconds[2, True]:.2f} times as fast as one, start-up included")


if __name__ == "__main__":
    main()
