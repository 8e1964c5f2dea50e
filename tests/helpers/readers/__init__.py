"""Everything that reads a file or a line from elsewhere: what `make fuzz` feeds.

A reader takes the bytes of one file, and gives something or raises what the command line tells in
one line. A new reader is a row in READERS, with a valid file that it accepts.
"""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import reader_examples as examples
import torch
from installed import write_package

from blurbench import images, metrics
from blurbench.blurs.kernel_files import read_kernels
from blurbench.captions import files as caption_files
from blurbench.captions import vocabulary
from blurbench.captions.parsers import open_parser
from blurbench.commands.options import parse_settings
from blurbench.datasets.assemble import refuse_other
from blurbench.datasets.dataset import BlurDataset
from blurbench.datasets.find_pairs import list_pairs
from blurbench.datasets.records import read_records
from blurbench.datasets.verify import verify
from blurbench.errors import UserError
from blurbench.files import read_jsonl
from blurbench.metrics.networks.face_api import load as load_arrays
from blurbench.models import build
from blurbench.models.base import Model
from blurbench.models.captioners.reading import Regions
from blurbench.models.parts.released import best_fit, read_checkpoint
from blurbench.models.parts.weights import differences
from blurbench.ranking.runs import list_runs
from blurbench.recipes.existing import Existing
from blurbench.recipes.recipe import ObjectRules, load_any_recipe
from blurbench.reproduce.confidences import confidence_table
from blurbench.runs.load import load_run
from blurbench.runs.seen import read_seen
from blurbench.sources.frames import video_windows
from blurbench.sources.items import FileItem
from blurbench.sources.labels.captions import read_captions
from blurbench.sources.labels.files import LabelFiles
from blurbench.sources.labels.identities import read_identities
from blurbench.sources.labels.instances import read_objects
from blurbench.sources.labels.shots import read_shots
from blurbench.stores.folder import Folder
from blurbench.training import checkpoint as checkpoints
from blurbench.training.log import RunLog
from readers.base import Reader, folder, of, of_file, scratch, written
from readers.pictures import PICTURE_READERS
from readers.results import RESULTS
from readers.weights import WEIGHTS

# Pictures and numbers


def picture(suffix: str) -> Reader:
    read = partial(images.decode, name=f"a.{suffix}")
    return Reader(f"picture .{suffix}", read, partial(examples.picture, suffix))


def kernels(suffix: str, example: Callable[[], list[bytes]]) -> Reader:
    return Reader(f"kernels .{suffix}", of_file(f"kernels.{suffix}", read_kernels), example)


def video(data: bytes) -> object:
    path = written("a.mp4", data)
    return [item.load().sha256 for item in video_windows("a", None, path, (3, 1))[:2]]


def regions(data: bytes) -> object:
    return Regions(written("a.npy", data).parent, 5, 4).read("a")


# Labels


def items() -> list[FileItem]:
    return [FileItem(id, None, scratch() / id, scratch(), None) for id in examples.IDS]


def label_files(name: str, data: bytes) -> LabelFiles:
    return LabelFiles([name], Folder(written(f"labels/{name}", data).parent))


def source_captions(name: str, data: bytes) -> object:
    return read_captions(label_files(name, data), examples.IDS, 1)


def shots(data: bytes) -> object:
    return read_shots(label_files("shots.csv", data), items(), "labels")


def identities(data: bytes) -> object:
    return read_identities(label_files("identity_CelebA.txt", data), items(), "labels")


def instances(data: bytes) -> object:
    files = label_files("instances.json", data)
    told = read_objects(files, items(), ObjectRules(), "labels").told
    return [each.objects.draw(id, (18, 24)) for id, each in told.items() if each.objects]


def pair_list(data: bytes) -> object:
    root = written("pairs/pairs.txt", data).parent
    for kind in ("blur", "sharp"):
        written(f"pairs/{kind}/a.png", b"")
    recipe = Existing.model_validate_json(*examples.document(examples.existing()))
    return list_pairs(recipe, str(root)).pairs


def trees(data: bytes) -> object:
    return open_parser(str(written("trees.json", data)))


@cache
def captioner() -> Model:
    return build("nic", preset="tiny")


def language(data: bytes) -> object:
    return captioner().load_language(written("vocabulary.json", data))


# Recipes and settings


def setting(data: bytes) -> object:
    text = data.decode(errors="surrogateescape")  # as the system gives arguments
    return build("unet", preset="tiny", **parse_settings(tuple(text.splitlines())))


# Data sets


def data_set(file: str, data: bytes) -> object:
    root = folder("set", examples.data_set, file, data)
    found = BlurDataset(root, "test")
    return verify(root), found.sizes(), found[0]


def records(data: bytes) -> object:
    path = written("begun/.blurbench/shards/a.jsonl", data)
    for name, content in examples.data_set().items():
        if name.endswith(".png") and not (path.parents[2] / name).exists():
            written(f"begun/{name}", content)
    rows = map(json.loads, examples.data_set()["test/metadata.jsonl"].splitlines())
    wanted = [SimpleNamespace(split="test", id=row["id"], source_id="") for row in rows]
    found = read_records(Folder(path.parents[2]), scratch(), wanted)
    return [*found.rows("test"), *found.failures()]


def plan(data: bytes) -> object:
    root = written("planned/.blurbench/plan.json", data).parents[1]
    return refuse_other(Folder(root), examples.request())


# Runs


def run(file: str, data: bytes) -> object:
    return load_run(folder("run", examples.run, file, data), "cpu")


def checkpoint(file: str, data: bytes) -> object:
    root = folder("resumed", examples.run, f"checkpoints/000000004/{file}", data)
    model = build("unet", preset="tiny", **examples.SMALL)
    averaged = {name: value.clone() for name, value in model.state_dict().items()}
    optimisers = {"all": torch.optim.Adam(model.parameters())}

    def check(found: checkpoints.Checkpoint) -> None:
        pairs = ((averaged, found.averaged or {}), (model.state_dict(), found.model))
        if told := "".join(differences(ours, theirs) for ours, theirs in pairs):
            raise UserError(told)
        checkpoints.check_optimisers(optimisers, found.optimisers)

    found = checkpoints.newest_whole(root, check, first=False)
    checkpoints.restore_optimisers(optimisers, found.optimisers)
    return found.progress


def log(data: bytes) -> object:
    RunLog((path := written("log/log.jsonl", data)).parent, 2, tensorboard=False)
    return list(read_jsonl(path))


def curves(data: bytes) -> object:
    return list_runs([folder("curves", examples.run, "log.jsonl", data)], scratch() / "page.html")


def confidences(data: bytes) -> object:
    return confidence_table(written("confidences/log.jsonl", data).parent)


def seen(data: bytes) -> object:
    return read_seen(folder("seen", examples.seen_run, "sources.txt.gz", data))


def released(suffix: str, data: bytes) -> object:
    held = read_checkpoint(written(f"released.{suffix}", data))
    return best_fit((torch.nn.Conv2d(3, 4, 3),), held, "released")


def face_api(file: str, data: bytes) -> object:
    path = folder("face-api", examples.arrays_of_tfjs, file, data) / "numbers.bin"
    return load_arrays(torch.nn.Conv2d(3, 4, 3), path, examples.ARRAYS)


def graph(file: str, data: bytes) -> object:
    return read_checkpoint(folder("graph", examples.graph_files, file, data) / "model.json")


# Packages


def plug_in(file: str, data: bytes) -> object:
    place = write_package(scratch() / "installed", "fog", "blurbench.metrics", "fog = fog:FOG")
    written(f"installed/fog-1.dist-info/{file}", data)
    with importable(place):
        return metrics.PLUG_INS.names(), metrics.PLUG_INS.origins(metrics.PLUG_INS.names())


@contextmanager
def importable(place: Path) -> Iterator[None]:
    before = [*sys.path]
    sys.path[:] = [str(place)]  # alone: asking all that is installed takes 12 ms
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before


AT = "checkpoints/000000004/"
READERS: tuple[Reader, ...] = (
    picture("png"),
    picture("jpeg"),
    picture("tiff"),
    picture("webp"),
    picture("bmp"),
    picture("ppm"),
    Reader("labels .png", partial(images.decode_labels, name="a.png"), examples.labels),
    Reader("depth map .png", partial(images.decode_depth, name="a.png"), examples.depth),
    Reader("video", video, examples.video),
    kernels("mat", examples.matlab),
    kernels("npy", lambda: [examples.written_kernels("a.npy")]),
    kernels("npz", lambda: [examples.written_kernels("a.npz")]),
    Reader(
        "one of the kernels .npz",
        of_file("several.npz", partial(read_kernels, variable="kernels")),
        lambda: [examples.written_kernels("a.npz")],
    ),
    kernels("txt", lambda: examples.text("0 1 0", "1 2e0 1", "0 1 0")),
    kernels("png", lambda: examples.picture("png")[1:]),
    Reader("regions .npy", regions, examples.arrays),
    Reader("COCO captions", partial(source_captions, "captions_a.json"), examples.coco),
    Reader("Karpathy's list", partial(source_captions, "dataset_coco.json"), examples.karpathy),
    Reader("captions.csv", partial(source_captions, "captions.csv"), examples.caption_table),
    Reader("captions to score, COCO", of_file("c.json", caption_files.read_results), examples.coco),
    Reader(
        "captions to score, JSON",
        of_file("c.json", caption_files.read_captions),
        examples.plain_captions,
    ),
    Reader(
        "captions to score, CSV",
        of_file("c.csv", caption_files.read_captions),
        examples.caption_table,
    ),
    Reader("trees", trees, examples.trees),
    Reader("vocabulary", of_file("v.json", vocabulary.read), examples.vocabularies),
    Reader("words of a captioner", language, examples.languages),
    Reader("shots.csv", shots, lambda: examples.text("file,shot,clip", "000.png,CU,a")),
    Reader("instances.json", instances, lambda: examples.document(examples.instances())),
    Reader("identities", identities, lambda: examples.text("000.png 7", "001.png 9")),
    Reader("list of pairs", pair_list, lambda: examples.text("sharp/a.png blur/a.png")),
    Reader("recipe", of_file("r.toml", load_any_recipe), examples.recipes),
    Reader("--set", setting, lambda: examples.text("widths=[4,8]", "blocks=[1,1]", "rate=1e-3")),
    Reader(
        "dataset.json", partial(data_set, "dataset.json"), of(examples.data_set, "dataset.json")
    ),
    Reader(
        "metadata.jsonl",
        partial(data_set, "test/metadata.jsonl"),
        of(examples.data_set, "test/metadata.jsonl"),
    ),
    Reader("done-records", records, examples.records),
    Reader("plan of a set", plan, lambda: examples.document(examples.request())),
    Reader("config of a run", partial(run, "config.json"), of(examples.run, "config.json")),
    Reader("weights", partial(run, "model.safetensors"), of(examples.run, "model.safetensors")),
    Reader("own weights", partial(run, "weights.json"), of(examples.run, "weights.json")),
    *(
        Reader(f"checkpoint {name}", partial(checkpoint, name), of(examples.run, AT + name))
        for name in (
            "progress.json",
            "model.safetensors",
            "averaged.safetensors",
            "optimisers.safetensors",
        )
    ),
    Reader("sources.txt.gz", seen, of(examples.seen_run, "sources.txt.gz")),
    Reader("log of a run", log, examples.logs),
    Reader("curves of a log", curves, examples.logs),
    Reader("confidences of a log", confidences, examples.logs),
    Reader("public weights .pth", partial(released, "pth"), lambda: examples.weights("zip")),
    Reader("public weights, old .pth", partial(released, "pth"), lambda: examples.weights("old")),
    Reader("public weights .npz", of_file("flax.npz", read_checkpoint), examples.flax),
    Reader("TF.js graph", partial(graph, "model.json"), of(examples.graph_files, "model.json")),
    *(
        Reader(f"face-api {name}", partial(face_api, name), of(examples.arrays_of_tfjs, name))
        for name in ("numbers.bin", "manifest.json")
    ),
    Reader("TF.js numbers", partial(graph, "shard1.bin"), of(examples.graph_files, "shard1.bin")),
    *PICTURE_READERS,
    *WEIGHTS,
    *RESULTS,
    Reader("plug-in METADATA", partial(plug_in, "METADATA"), examples.package_metadata),
    Reader("plug-in entry points", partial(plug_in, "entry_points.txt"), examples.entry_points),
)
