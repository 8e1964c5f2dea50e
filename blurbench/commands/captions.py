"""`blurbench captions`: parse captions into trees; score captions."""

from pathlib import Path

import click

from blurbench.commands.options import FOLDER


@click.group()
def captions() -> None:
    """Parse captions into trees; score captions."""


@captions.command()
@click.argument("file", type=FOLDER)
@click.option("--parser", default="rules", show_default=True, help="Or spacy:MODEL, a .json file.")
@click.option("--entities", type=click.IntRange(1), default=838, show_default=True)
@click.option("--relations", type=click.IntRange(1), default=246, show_default=True)
@click.option("--vocabulary", type=FOLDER, help="Write the vocabulary to this file.")
@click.option("--draw", is_flag=True, help="Draw each tree.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def trees(
    file: Path,
    parser: str,
    entities: int,
    relations: int,
    vocabulary: Path | None,
    draw: bool,
    as_json: bool,
) -> int:
    """The trees of a caption FILE and the vocabulary of its training split."""
    from blurbench.captions import statistics

    parsed = statistics.parse_file(file, parser, entities, relations)
    if vocabulary:
        statistics.write_vocabulary(parsed, vocabulary)
    form = "json" if as_json else "drawing" if draw else "lines"
    click.echo(statistics.printed(parsed, form))
    return 0


@captions.command("score")
@click.argument("results", type=FOLDER)
@click.argument("references", type=FOLDER)
@click.option("--metrics", default="bleu,meteor,rouge,cider,spice", show_default=True)
@click.option("--tokenizer", default="auto", show_default=True, help="auto, ptb or python.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=1800, help="Seconds.")
@click.option("--heap", help="Memory of a Java scorer, as in 4G.")
@click.option("--spice-home", type=FOLDER, help="Folder with the two CoreNLP 3.6.0 jars.")
@click.option("--json", "as_json", is_flag=True, help="For programs; with one row an image.")
@click.option("--csv", "as_csv", is_flag=True, help="One row an image.")
def score_captions(
    results: Path,
    references: Path,
    metrics: str,
    tokenizer: str,
    timeout: float,
    heap: str | None,
    spice_home: Path | None,
    as_json: bool,
    as_csv: bool,
) -> int:
    """Score RESULTS, one caption an image, against the captions in REFERENCES."""
    from blurbench.captions import reports

    form = "json" if as_json else "csv" if as_csv else "table"
    found = reports.score_files(
        results,
        references,
        metrics=tuple(name.strip() for name in metrics.split(",")),
        tokenizer=tokenizer,
        timeout=timeout,
        heap=heap,
        spice_home=spice_home,
    )
    click.echo(reports.printed(found, form))
    return 0


@captions.command("generate")
@click.argument("source", type=FOLDER)
@click.option("--checkpoint", "runs", type=FOLDER, multiple=True, required=True, help="A run.")
@click.argument("more", type=FOLDER, nargs=-1, metavar="")
@click.option("--out", type=FOLDER, required=True, help="A folder.")
@click.option("--split", default="test", show_default=True, help="Of SOURCE, if it is a data set.")
@click.option("--beams", type=click.IntRange(1), help="1: greedy; default: the preset's.")
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
@click.option("--explain", type=FOLDER, help="A folder for what the nodes of a tree see.")
def generate_captions(
    source: Path,
    runs: tuple[Path, ...],
    more: tuple[Path, ...],  # of --checkpoint A B C
    out: Path,
    split: str,
    beams: int | None,
    device: str | None,
    explain: Path | None,
) -> int:
    """Captions for SOURCE: a picture, a folder of them, or a split of a data set."""
    from blurbench.inference.captions import generate

    done = generate(
        source, runs + more, out, split=split, beams=beams, device=device, explain=explain
    )
    for message in done.failed:
        click.echo(f"failed: {message}", err=True)
    click.echo(done)
    return 1 if done.failed else 0


@captions.command("nodes")
@click.option("--data", type=FOLDER, required=True, help="A data set with captions.")
@click.option("--checkpoint", "run", type=FOLDER, required=True, help="A run with a tree.")
@click.option("--split", default="test", show_default=True)
@click.option("--device", help="cpu, cuda or cuda:N; default: a GPU where there is one.")
def node_table(data: Path, run: Path, split: str, device: str | None) -> int:
    """How often each node of a run's tree is right, with null and without."""
    from blurbench.scoring import nodes

    click.echo(nodes.as_text(nodes.of_run(run, data, split, device)))
    return 0
