"""Command line: a thin skin over the library.

What a command does, one call in Python does, in the same words. Exit codes: 0 done, 1 something is wrong with a file or its content, 2 wrong usage.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    name="disputenlp",
    help="给走访记录、民情日记打纠纷标签：类别、风险、化解状态。 Tag disputes in Chinese visit notes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_out = Console()
_err = Console(stderr=True)

Text = Annotated[str | None, typer.Option("--text", metavar="列名", help="记录所在的列；不给则自动查找。 Column of the notes.")]
Model = Annotated[Path | None, typer.Option("--model", "-m", metavar="文件", help="自己训练的模型（.dnm）；不给则用自带模型。 Model file.")]


@app.command()
def tag(
    src: Annotated[
        Path,
        typer.Argument(help="xlsx、csv、tsv、jsonl、parquet、txt、docx 文件，或这类文件的文件夹。 File or folder.", show_default=False),
    ],
    dst: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="文件", help="结果文件；不给则在原文件旁加“-已标注”。 Result file.")
    ] = None,
    text: Text = None,
    model: Model = None,
    labels: Annotated[str, typer.Option(help="标签写中文名（zh）还是代号（id）。 Chinese names or ids.", metavar="zh|id")] = "zh",
    evidence: Annotated[bool, typer.Option(help="是否给出依据片段。 Whether to give evidence.")] = True,
    workers: Annotated[int | None, typer.Option(min=1, metavar="N", help="进程数；默认每核一个。 Processes.")] = None,
    resume: Annotated[bool, typer.Option(help="中断后接着做，或从头再来。 Go on with an interrupted run.")] = True,
) -> None:
    """给一份档案打标签。 Tag an archive."""
    from disputenlp.batch import tag_archive
    from disputenlp.models import load

    if labels not in ("zh", "id"):
        raise typer.BadParameter("--labels must be zh or id")
    target = dst or src.with_name(
        f"{src.stem}-已标注{src.suffix if src.suffix.lower() in ('.csv', '.tsv', '.jsonl', '.parquet') else '.xlsx'}"
    )
    try:
        summary = tag_archive(src, target, load(model) if model else None, workers, resume, text=text, labels=labels, evidence=evidence)
    except KeyboardInterrupt:
        _err.print(
            f"已中断，做完的部分保留着：再运行同一命令即可接着做。 Interrupted; run the same command again to go on ({target}.parts)."
        )
        raise typer.Exit(1) from None
    _show_summary(summary, target)


@app.command()
def train(
    src: Annotated[
        Path,
        typer.Argument(
            help="已标注的文件，列：text/内容、categories/类别，可有 risk/风险、status/状态。 Labelled file.", show_default=False
        ),
    ],
    dst: Annotated[Path, typer.Option("--output", "-o", metavar="文件", help="模型文件（.dnm）。 Model file.")] = Path("model.dnm"),
    text: Text = None,
    base: Annotated[bool, typer.Option(help="连同自带语料一起训练。 Add the shipped corpus.")] = False,
) -> None:
    """用自己的标注训练模型。 Train a model on labelled notes."""
    from disputenlp.evaluation import labelled_columns, read_labelled
    from disputenlp.tagger import DisputeTagger

    notes = read_labelled(src, text)
    columns = labelled_columns(notes)
    tagger = DisputeTagger(n_jobs=-1).fit(notes["text"], **columns, groups=notes.get("voice"), base="bundled" if base else None)
    tagger.save(dst)
    _out.print(f"{len(notes)} 条记录，模型写入 {dst}（{dst.stat().st_size / 1e6:.1f} MB）。 Model written.")


@app.command()
def evaluate(
    src: Annotated[
        Path | None, typer.Argument(help="已标注的文件；不给则在自带语料上按书写人交叉验证。 Labelled file.", show_default=False)
    ] = None,
    model: Model = None,
    text: Text = None,
    card: Annotated[Path | None, typer.Option(metavar="文件", help="把结果写进这个模型卡。 Model card to write the figures to.")] = None,
    dev: Annotated[
        Path | None, typer.Option(metavar="文件", help="交叉验证时另测的标注文件。 A second labelled file to measure on.")
    ] = None,
    behaviour: Annotated[
        Path | None, typer.Option(metavar="文件夹", help="再跑这里的行为测试。 Folder of behavioural cases to run too.")
    ] = None,
    full: Annotated[bool, typer.Option(help="再加学习曲线和消融表。 Learning curve and ablation too.")] = False,
) -> None:
    """衡量模型有多准。 Measure how right a model is."""
    from disputenlp.evaluation import evaluate as measure
    from disputenlp.evaluation import read_labelled
    from disputenlp.model_card import evaluate_corpus
    from disputenlp.models import load

    if src is None:
        _out.print(evaluate_corpus(card=card, dev=dev, behaviour=behaviour, full=full))
    else:
        _out.print(measure(load(model), read_labelled(src, text)))


@app.command()
def info(model: Model = None) -> None:
    """看模型里有什么：标签、阈值、特征数。 What a model holds."""
    import disputenlp
    from disputenlp.models import load
    from disputenlp.taxonomy import labels as taxonomy_labels

    described = load(model).describe()
    _out.print(f"disputenlp {disputenlp.__version__}", style="bold")
    for key, value in described.attrs.items():
        _out.print(f"{key}: {value}")
    names = {label.id: f"{label.name}：{label.covers}" for label in taxonomy_labels("categories")}
    table = Table("head", "label", "名称", "C", "threshold", box=None)
    for (head, label), row in zip(described.index.tolist(), described.to_dict("records"), strict=True):
        name = names.get(str(label), "") if head == "categories" else ""
        table.add_row(str(head), str(label), name, f"{row['C']:g}", f"{row['threshold']:.2f}")
    _out.print(table)


def _show_summary(summary: object, target: Path) -> None:
    from disputenlp.parts import Summary

    if not isinstance(summary, Summary):
        raise TypeError(f"expected a Summary, got {type(summary).__name__}")
    for title, counts in (("类别", summary.categories), ("风险", summary.risks)):
        table = Table(title, "条数", "占比", box=None)
        for name, count in sorted(counts.items(), key=lambda item: -item[1]) if title == "类别" else counts.items():
            table.add_row(name, f"{count:,}", f"{count / max(summary.rows, 1):.0%} {'▇' * round(30 * count / max(summary.rows, 1))}")
        if counts:
            _out.print(table)
            _out.print()
    if summary.urgent:
        queue = Table(
            "高风险概率", "类别", "依据", title="最需要先看的 The top of the queue", title_justify="left", box=None, pad_edge=False
        )
        for note in summary.urgent:
            spans = note.get("evidence", note.get("evidence_tag")) or [note["text"][:60]]
            queue.add_row(f"{note['high_risk_p']:.0%}", str(note.get("category", "")), "；".join(spans)[:120])
        _out.print(queue)
        _out.print()
    failed = f"，{summary.failed:,} 条出错" if summary.failed else ""
    _out.print(f"共 {summary.rows:,} 条，{summary.needs_review:,} 条需人工复核{failed}。结果写入 {target}")


def main() -> None:
    """Entry point: errors of the user's files are one line, without a traceback."""
    try:
        app()
    except (ValueError, FileNotFoundError, PermissionError, IsADirectoryError) as error:
        _err.print(f"错误 error: {' '.join(str(error).split())}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
