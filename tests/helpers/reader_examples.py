"""A small valid file for each reader of tests/helpers/readers: all bytes are made here."""

import gzip
import io
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import tiny_data
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy.io import savemat
from small_results import write_data_set
from weight_files import arrays_of, graph_of, write_arrays

from blurbench.blurs.kernel_files import write_kernels
from blurbench.captions.trees import parse_caption
from blurbench.captions.vocabulary import build as build_vocabulary
from blurbench.datasets.records import record_lines
from blurbench.files import json_document, jsonl_line, sha256, write_json
from blurbench.images import encode
from blurbench.models import build
from blurbench.runs.own_weights import OwnWeights
from blurbench.training.checkpoint import Progress, save_checkpoint

IDS = ("000.png", "001.png")  # what lists and captions speak of
SMALL = {"widths": [4, 8], "blocks": [1, 1], "steps": 4, "batch_size": 2, "crop_size": 32}
KERNEL = np.outer([1, 2, 1], [1, 2, 1]) / 16


def pixels(mode: str) -> Image.Image:
    """24 x 18 px."""
    return Image.fromarray(tiny_data.picture(3, 18, 24)).convert(mode)


def picture(kind: str) -> list[bytes]:
    """A picture as grey, and in colour with whatever its format carries beside pixels."""
    files = []
    for mode in ("RGB", "L"):
        options: dict[str, Any] = {"exif": exif()} if kind in ("jpeg", "png", "webp") else {}
        if kind == "png":
            text = PngInfo()
            text.add_text("Title", "blocks")
            options |= {"pnginfo": text, "dpi": (72, 72)}
        if kind == "tiff" and mode == "RGB":
            options["compression"] = "tiff_lzw"
        with io.BytesIO() as file:
            pixels(mode).save(file, kind, **options)
            files.append(file.getvalue())
    return files


def instances() -> dict[str, Any]:
    """An object of each kind of outline."""
    runs = {"size": [18, 24], "counts": [40, 60, 332]}
    outlines = [[[2.0, 2.0, 20.5, 2.0, 20.5, 15.0]], runs, {"size": [18, 24], "counts": "n0b1P;"}]
    return {
        "images": [
            {"id": n, "file_name": name, "height": 18, "width": 24} for n, name in enumerate(IDS)
        ],
        "annotations": [
            {"id": n, "image_id": n % 2, "category_id": 1, "iscrowd": 0, "segmentation": each}
            for n, each in enumerate(outlines)
        ],
        "categories": [{"id": 1, "name": "dog"}],
    }


def exif() -> bytes:
    """A picture on its side."""
    found = Image.Exif()
    found[0x0112] = 6
    return found.tobytes()


def labels() -> list[bytes]:
    """Palette and grey."""
    with io.BytesIO() as file, io.BytesIO() as other:
        pixels("P").save(file, "png")
        pixels("L").save(other, "png")
        return [file.getvalue(), other.getvalue()]


def depth() -> list[bytes]:
    """Grey, of 16 bits and of 8."""
    grey = np.arange(24 * 18).reshape(18, 24)
    return [encode(grey.astype(kind)) for kind in (np.uint16, np.uint8)]


def video() -> list[bytes]:
    """Six frames of 64 x 48 px, as MPEG-4 and as Motion JPEG."""
    files = []
    with tempfile.TemporaryDirectory() as folder:
        for name, code in (("a.mp4", "mp4v"), ("a.avi", "MJPG")):
            path = Path(folder, name)
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, (64, 48))
            for seed in range(6):
                writer.write(tiny_data.picture(seed, 48, 64))
            writer.release()
            files.append(path.read_bytes())
    return files


def matlab() -> list[bytes]:
    """MATLAB 5: an array plain and packed, a cell array; MATLAB 7.3."""
    kernels, files = np.stack([KERNEL, KERNEL.T], axis=-1), []
    cells = np.empty(2, object)
    cells[:] = [KERNEL, KERNEL]
    for held, packed in ((kernels, False), (kernels, True), (cells, False)):
        with io.BytesIO() as file:
            savemat(file, {"kernels": held}, do_compression=packed)
            files.append(file.getvalue())
    with io.BytesIO() as file:
        with h5py.File(file, "w", userblock_size=512) as made:
            made.create_dataset("kernels", data=kernels.T)
        files.append(file.getvalue())
    return [*files, written_kernels("a.mat")]


def written_kernels(name: str) -> bytes:
    """As `blurbench kernels bank` writes them."""
    with tempfile.TemporaryDirectory() as folder:
        write_kernels(Path(folder, name), np.stack([KERNEL, KERNEL]))
        return Path(folder, name).read_bytes()


def arrays() -> list[bytes]:
    """Regions of a picture, and kernels, as .npy."""
    with io.BytesIO() as file:
        np.save(file, np.ones((3, 5), np.float32))
        return [file.getvalue()]


def text(*lines: str) -> list[bytes]:
    """One file of these lines."""
    return ["".join(f"{line}\n" for line in lines).encode()]


def document(*values: Any) -> list[bytes]:
    """A JSON file each."""
    return [json_document(value) for value in values]


def coco() -> list[bytes]:
    """Captions as COCO's files have them."""
    images = [{"id": n, "file_name": name} for n, name in enumerate(IDS)]
    told = [{"id": 5 + n, "image_id": n, "caption": "A man riding a wave."} for n in range(2)]
    return document({"info": {"year": 2014}, "images": images, "annotations": told})


def karpathy() -> list[bytes]:
    """Captions as Karpathy's list has them."""
    sentence = {"raw": "A dog runs.", "sentid": 3, "tokens": ["a", "dog", "runs"]}
    images = [
        {"filename": name, "split": "train", "imgid": n, "sentences": [sentence]}
        for n, name in enumerate(IDS)
    ]
    return document({"images": images, "dataset": "coco"})


def existing() -> dict[str, Any]:
    """A recipe of pairs that a list names."""
    head = {key: tiny_data.FLOW[key] for key in ("title", "source", "citation", "licence")}
    paths = {"blur": "blur/{name}", "sharp": "sharp/{name}", "split": "test"}
    places = [{**paths, "list_file": "pairs.txt"}]
    told = {"kind": "existing", "name": "tiny", "provenance": "none", "layout": "blur/ sharp/"}
    return {**head, **told, "pairs": places}


def recipes() -> list[bytes]:
    """TOML of both kinds of recipes."""
    return [toml(tiny_data.FLOW), toml(tiny_data.FACES), toml(existing())]


def toml(values: dict[str, Any], table: str = "") -> bytes:
    """Text and numbers first, then each table below its name."""
    plain = {key: each for key, each in values.items() if not isinstance(each, dict)}
    lines = [f"{key} = {_value(each)}\n" for key, each in plain.items()]
    tables = [
        f"[{table}{key}]\n".encode() + toml(each, f"{table}{key}.")
        for key, each in values.items()
        if isinstance(each, dict)
    ]
    return "".join(lines).encode() + b"".join(tables)


def _value(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        pairs = ", ".join(f"{key} = {_value(each)}" for key, each in value[0].items())
        return f"[{{{pairs}}}]"
    return json.dumps(value)


@cache
def data_set() -> dict[str, bytes]:
    """The files of a data set of two pairs, by name."""
    with tempfile.TemporaryDirectory() as folder:
        return contents(write_data_set(Path(folder, "set"), 2))


def request() -> dict[str, Any]:
    """What `synthesize` was asked for."""
    head = {"recipe": tiny_data.FLOW, "seed": 0, "limit": None, "image_format": "png"}
    return {**head, "blurbench": "0", "source": {"ids_sha256": "a", "images": "2"}}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative name."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def records() -> list[bytes]:
    """What a run of synthesize that is not finished has made and lost."""
    rows = data_set()["test/metadata.jsonl"].splitlines()
    made = [jsonl_line({"split": "test", "row": json.loads(row)}) for row in rows]
    failure = {"source_id": "a.png", "split": "test", "error": "a.png: damaged"}
    lost = {"split": "test", "id": json.loads(rows[0])["id"], "failure": failure}
    # As 0.1.0 wrote them, without a checksum that would catch every damage; and as they are now.
    return [b"".join(made) + jsonl_line(lost), record_lines([*map(json.loads, made), lost])]


@cache
def run() -> dict[str, bytes]:
    """The files of a finished run of a tiny unet, with its last checkpoint."""
    torch.manual_seed(0)
    model = build("unet", preset="tiny", **SMALL)
    optimiser = torch.optim.Adam(model.parameters())
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimiser.step()
    averaged = {name: value.clone() for name, value in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_json(out / "config.json", config(model))
        written = OwnWeights(out, None)
        for name in ("model", "last"):
            written.save(f"{name}.safetensors", model.state_dict())
        save_checkpoint(out, Progress(4, 2, 25.0, 20.0), model, averaged, {"all": optimiser})
        return contents(out)


def config(model: Any) -> dict[str, Any]:
    """config.json of a run."""
    told = {"model": "unet", "preset": "tiny", "config": model.config.model_dump(mode="json")}
    return {**told, "steps": 4, "seed": 0, "data": {"digest": "0", "recipe": "none"}}


def weights(kind: str) -> list[bytes]:
    """A state dict of one small layer, nested as public checkpoints have it."""
    layer = torch.nn.Conv2d(3, 4, 3)
    held = {"state_dict": {f"module.{name}": value for name, value in layer.state_dict().items()}}
    with io.BytesIO() as file:
        torch.save({**held, "epoch": 3}, file, _use_new_zipfile_serialization=kind == "zip")
        return [file.getvalue()]


def flax() -> list[bytes]:
    """An .npz as of MAXIM's authors."""
    with io.BytesIO() as file:
        name = "opt/target/stage_0_input_conv_0/kernel"
        np.savez(file, **{name: np.ones((3, 3, 3, 4), np.float32)})
        return [file.getvalue()]


@cache
def graph() -> tuple[dict[str, Any], bytes]:
    """A TF.js graph of two layers, and its numbers."""
    return graph_of(
        {
            "stages.0.input_conv_0.weight": torch.ones(4, 3, 3, 3),
            "stages.0.input_conv_0.bias": torch.ones(4),
        }
    )


def vocabulary() -> dict[str, Any]:
    """Words of two captions."""
    trees = [parse_caption(each) for each in ("A man riding a wave.", "A dog runs.")]
    return build_vocabulary(trees).as_json()


def sources() -> list[bytes]:
    """sources.txt.gz of a run that saw two pictures."""
    return [gzip.compress(f"{'a' * 64} train\n{'b' * 64} val\n".encode(), mtime=0)]


def seen_run() -> dict[str, bytes]:
    """A run that tells its sources."""
    (packed,) = sources()
    told = {"sha256": sha256(gzip.decompress(packed)), "train": 1, "val": 1}
    held = json.loads(run()["config.json"])
    held["data"]["sources"] = told
    return {"config.json": json_document(held), "sources.txt.gz": packed}


def graph_files() -> dict[str, bytes]:
    """model.json and its shards."""
    held, data = graph()
    shards = {"shard1.bin": data[:100], "shard2.bin": data[100:]}
    return {"model.json": json_document(held), **shards}


ARRAYS = {"weight": "conv/filters", "bias": "conv/bias"}  # of a layer, as a file calls them


@cache
def arrays_of_tfjs() -> dict[str, bytes]:
    """Numbers and their manifest, one array of them in 8 bits."""
    layer = torch.nn.Conv2d(3, 4, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "numbers.bin")
        write_arrays(path, arrays_of(layer, ARRAYS), [ARRAYS["weight"]])
        Path(folder, "numbers-weights_manifest.json").rename(Path(folder, "manifest.json"))
        return contents(Path(folder))


def logs() -> list[bytes]:
    """Three rows of log.jsonl."""
    shares = {f"confidence_{number}": 0.25 for number in range(1, 5)}
    network = {"step": 1, "stage": "network", "loss": 0.5, "seconds_per_step": 0.1, **shares}
    return [b"".join(map(jsonl_line, (network, {**network, "step": 2}, {**network, "step": 3})))]


def caption_table() -> list[bytes]:
    """A CSV."""
    return text("image,caption", '000.png,"A man, riding a wave."', "001.png,A dog runs.")


def plain_captions() -> list[bytes]:
    """A dictionary, and a list of annotations."""
    return document({"1": ["A dog."], "2": "A cat."}, [{"image_id": 1, "caption": "A dog."}])


def trees() -> list[bytes]:
    """Of two images."""
    tree = ["man", "", "", "ride", "wave", None, ""]
    return document({"1": tree, "2": [tree, tree]})


def vocabularies() -> list[bytes]:
    """Of trees."""
    return document(vocabulary())


def languages() -> list[bytes]:
    """Of a captioner."""
    return document({**vocabulary(), "words": ["a", "man", "dog", "runs"]})


def package_metadata() -> list[bytes]:
    """METADATA of a package."""
    return text("Metadata-Version: 2.1", "Name: fog", "Version: 1")


def entry_points() -> list[bytes]:
    """entry_points.txt of a package."""
    return text("[blurbench.metrics]", "fog = fog:FOG")
