"""`blurbench doctor`: what this machine has, what is missing, and what that would enable."""

import importlib
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator

import click

import blurbench
from blurbench.captions.java import Missing, find_java
from blurbench.errors import UserError
from blurbench.tables import as_table

Finding = tuple[str, str, str]  # name, state, note

PACKAGES = (
    ("torch", "models, training"),
    ("numba", "blur synthesis"),
    ("cv2", "reading and writing pictures"),
    ("pyiqa", "perceptual metrics; PolyForm Noncommercial licence"),
    ("pycocoevalcap", "caption metrics"),
    ("distributed", "--workers above 1"),
    ("fpng", "PNG files in a seventh of OpenCV's time; in the extra blurbench[png]"),
    ("lmdb", "export --to lmdb; in the extra blurbench[formats]"),
    ("h5py", "kernel.mat as UMSN writes it; in the extra blurbench[formats]"),
)


@click.command()
def doctor() -> int:
    """What this machine has, what is missing, and what that would enable."""
    headings = ("name", "state", "note")
    rows = [dict(zip(headings, finding, strict=True)) for finding in findings()]
    click.echo(as_table(rows, heading=False))
    return 0


def findings() -> Iterator[Finding]:
    """One finding a line, the machine first."""
    yield "blurbench", blurbench.__version__, f"Python {platform.python_version()}"
    yield "processors", str(os.cpu_count()), platform.machine()
    for name, use in PACKAGES:
        yield package(name, use)
    yield gpu()
    yield java()
    yield from plug_ins()
    yield shipped()
    yield from metrics()
    free = shutil.disk_usage(".").free / 2**30
    yield "disk", f"{free:.0f} GiB free here", ""


def plug_ins() -> Iterator[Finding]:
    """What other packages add, and what of it cannot be used."""
    from blurbench.blurs.registry import PLUG_INS as families
    from blurbench.metrics import PLUG_INS as metrics
    from blurbench.models import PLUG_INS as models

    for table in (families, models, metrics):
        for name in table.names():
            try:
                table.load(name)
            except UserError as error:
                yield name, "cannot be used", str(error)
            else:
                yield name, table.kind, f"added by {table.origin(name)}"
        for line in table.refused():
            yield table.kind, "not used", line


def package(name: str, use: str) -> Finding:
    """Whether a package really imports: a missing system library shows only then."""
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return name, "does not import", f"{' '.join(str(error).split())} (wanted for {use})"
    version = getattr(module, "__version__", None) or importlib.metadata.version(name)
    return name, str(version), use


def gpu() -> Finding:
    """The GPU that PyTorch would use."""
    try:
        import torch
    except ImportError:
        return "gpu", "unknown", "needs torch"
    if not torch.cuda.is_available():
        return "gpu", "none", "training runs on the CPU: use preset tiny"
    return "gpu", torch.cuda.get_device_name(), f"{torch.cuda.device_count()} in all"


def shipped() -> Finding:
    """The weights that `deblur` takes where no checkpoint is named."""
    from blurbench.weights.listing import state_of_ours
    from blurbench.weights.shipped import SHIPPED

    states = {name: state_of_ours(name) for name in SHIPPED}
    told = [name + (" (damaged)" if states[name] == "damaged" else "") for name in states]
    here = [line for line, state in zip(told, states.values(), strict=True) if state != "missing"]
    return "weights", ", ".join(here) or "none", "ship with the wheel; more: blurbench weights list"


def metrics() -> Iterator[Finding]:
    """What metrics lack, and how it gets here."""
    from blurbench.metrics.needs import lacking

    for metric, names in lacking().items():
        yield metric, "missing", f"metric; run: blurbench weights fetch {' '.join(names)}"


def java() -> Finding:
    """The Java that would run the jars of the caption metrics."""
    try:
        found = find_java()
    except Missing as error:
        return "java", "missing", f"{error} (wanted for METEOR and SPICE caption scores)"
    return "java", found.version, found.program
