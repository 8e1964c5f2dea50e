"""The teacher F_P: what a network for another task sees in the sharp picture.

It is frozen, runs in training losses only, and is no part of a checkpoint. timm is imported where
it is needed: it takes seconds.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from blurbench.errors import UserError
from blurbench.models.parts.released import read_checkpoint, state_dicts
from blurbench.models.parts.vgg import MEAN, STD
from blurbench.models.parts.weights import differences
from blurbench.models.sp.network import Levels
from blurbench.weights import efficientnet
from blurbench.weights.places import Needed, paths_of
from blurbench.weights.registry import fetched_as, find

# The crop is doubled, as in the inpainting that the paper took its teacher from (Zhang et al.,
# "Context-Aware Image Inpainting with Learned Semantic Priors", IJCAI 2021): 256 -> 512 px.
SCALE = 2
STRIDES = (4, 8, 16)  # of the doubled crop: 1/2, 1/4 and 1/8 of the crop itself
TRIAL = 64  # px, of the picture that finds out strides and channels


class Teacher(nn.Module):
    """A frozen network; its maps at three strides, or its classes of every pixel."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Any, std: Any) -> None:
        """`network` takes pictures less `mean`, over `std`."""
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, sharp: Tensor) -> Any:
        """(N, 3, H, W) in [0, 1] -> what the network gives of it at twice the size."""
        larger = F.interpolate(sharp, scale_factor=SCALE, mode="bilinear", align_corners=False)
        return self.network((larger - self.mean) / self.std)


class TimmMaps(nn.Module):
    """The maps of a network of timm at the three strides."""

    def __init__(self, network: Any, name: str) -> None:
        """UserError where it has none."""
        super().__init__()
        self.network = network
        strides = [stage["reduction"] for stage in network.feature_info]
        # Of several maps of one stride, the last.
        last = {stride: place for place, stride in enumerate(strides)}
        if not last.keys() >= set(STRIDES) or not hasattr(network, "forward_intermediates"):
            raise no_maps(name)
        self.taken = [last[stride] for stride in STRIDES]

    def forward(self, x: Tensor) -> Levels:
        """(N, 3, H, W) -> three maps."""
        out: Levels = self.network.forward_intermediates(
            x, indices=self.taken, stop_early=True, intermediates_only=True
        )
        return out


class BlockMaps(nn.Module):
    """The maps of a chain of blocks at the three strides.

    Not create_feature_extractor, which asks for the names of layers: each network has others, and
    what is known of all is strides.
    """

    def __init__(self, blocks: list[tuple[str, nn.Module]], name: str) -> None:
        """UserError where it has none."""
        super().__init__()
        self.taken = taken_blocks(blocks, name)
        self.blocks = nn.ModuleList(block for _, block in blocks[: self.taken[-1] + 1])

    def forward(self, x: Tensor) -> Levels:
        """(N, 3, H, W) -> three maps."""
        found = []
        for place, block in enumerate(self.blocks):
            x = block(x)
            if place in self.taken:
                found.append(x)
        return found


class Classes(nn.Module):
    """Probabilities of a segmentation network of torchvision, at the size of the sharp picture."""

    def __init__(self, network: nn.Module) -> None:
        """`network` gives logits as "out"."""
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes, H / SCALE, W / SCALE), sums 1."""
        return F.avg_pool2d(self.network(x)["out"].softmax(1), SCALE)


def load_features(name: str, weights: str, channels: tuple[int, ...]) -> Teacher:
    """A teacher of three maps with these channels; `weights`: published, random, or a file.

    UserError where there is no such network, no such map, or no such file.
    """
    make = torchvision_maps if name in torchvision_names() else timm_maps
    teacher = make(name, weights)
    try:
        maps = teacher(torch.zeros(1, 3, TRIAL, TRIAL))
    except (RuntimeError, AssertionError):  # it takes pictures of its own size only
        raise no_maps(name) from None
    check_channels(name, channels, tuple(x.shape[1] for x in maps))
    return teacher


def timm_maps(name: str, weights: str) -> Teacher:
    """A network of timm, which needs its classifier no more."""
    import timm

    if not timm.is_model(name):
        raise UserError(f"teacher={name}: neither torchvision nor timm has such a network")
    network = seeded(lambda: timm.create_model(name, pretrained=False, num_classes=0))
    about = network.pretrained_cfg
    translate = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    if name == efficientnet.NAME:
        translate = efficientnet.by_order
    maps = TimmMaps(network, name)
    fill(network, network.state_dict(), teacher_files(name, weights), translate)
    return Teacher(maps, about["mean"], about["std"])


def torchvision_maps(name: str, weights: str) -> Teacher:
    """A network of torchvision up to the last block that gives a map."""
    network = torchvision_network(name)
    maps = BlockMaps(chain(network), name)
    fill(network, parts_of(network, maps), teacher_files(name, weights))
    return Teacher(maps, MEAN, STD)


def torchvision_names(segmentation: bool = False) -> list[str]:
    """Classifiers and segmentation networks of torchvision."""
    kinds = [models.segmentation] if segmentation else [models, models.segmentation]
    return [name for kind in kinds for name in models.list_models(module=kind)]


def load_classes(name: str, weights: str, classes: int) -> Teacher:
    """A teacher of the classes of every pixel: a segmentation network of torchvision."""
    if name not in torchvision_names(segmentation=True):
        raise UserError(f"teacher={name}: torchvision has no such segmentation network")
    network = torchvision_network(name, classes)
    fill(network, network.state_dict(), teacher_files(name, weights))
    return Teacher(Classes(network), MEAN, STD)


def torchvision_network(name: str, classes: int | None = None) -> nn.Module:
    """An untrained network."""
    segments = name in torchvision_names(segmentation=True)
    options: dict[str, Any] = {"weights_backbone": None} if segments else {}
    if classes is not None:
        options["num_classes"] = classes
    network: nn.Module = seeded(lambda: models.get_model(name, weights=None, **options))
    return network


def teacher_files(name: str, weights: str) -> tuple[Needed, ...]:
    """The file that teacher `name` reads; none for random weights."""
    if weights == "random":
        return ()
    path, fetched = published(name) if weights == "published" else (Path(weights), "")
    instead = "opt in to an untrained teacher with --set teacher_weights=random"
    return (Needed(f"teacher_weights={weights}", path, fetched, instead),)


def published(name: str) -> tuple[Path, str]:
    """Where a network's published weights are, or should be, and the name they are fetched by."""
    if name == efficientnet.NAME:
        return efficientnet.published()
    kind = "torchvision" if name in torchvision_names() else "timm"
    path = paths_of(find(f"{kind}:{name}"))[0]
    return path, fetched_as(path.name) or f"{kind}:{name}"


def seeded(make: Callable[[], Any]) -> Any:
    """A network in eval mode with the same random weights in every process and every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval()


def chain(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """The blocks that follow each other in a network of torchvision, from the picture on."""
    for part in ("backbone", "features", "layers"):
        if hasattr(network, part):
            blocks = getattr(network, part).named_children()
            return [(f"{part}.{name}", block) for name, block in blocks]
    return list(network.named_children())


def taken_blocks(blocks: list[tuple[str, nn.Module]], name: str) -> list[int]:
    """The places of the blocks that give the three maps."""
    last = {block.rpartition(".")[2]: place for place, (block, _) in enumerate(blocks)}
    if "layer3" in last:  # dilated networks have no third stride
        return [last[f"layer{i}"] for i in (1, 2, 3)]
    x, found = torch.zeros(1, 3, TRIAL, TRIAL), {}
    for place, (_, block) in enumerate(blocks):
        try:
            x = block.eval()(x)
            stride = TRIAL // x.shape[-1]
        except (RuntimeError, AssertionError, ZeroDivisionError):
            break
        if stride > STRIDES[-1]:
            break
        found[stride] = place
    if not found.keys() >= set(STRIDES):
        raise no_maps(name)
    return [found[stride] for stride in STRIDES]


def no_maps(name: str) -> UserError:
    """The refusal of a network that does not halve its maps step by step."""
    strides = ", ".join(map(str, STRIDES))
    return UserError(f"teacher={name}: it gives no maps at strides {strides} of any picture")


def check_channels(name: str, stated: tuple[int, ...], found: tuple[int, ...]) -> None:
    """Refuse a preset that states other channels than the network has."""
    if stated != found:
        told = ",".join(map(str, found))
        raise UserError(f"teacher_channels={stated}: {name} needs teacher_channels={told}")


def parts_of(network: nn.Module, maps: BlockMaps) -> dict[str, Tensor]:
    """The tensors of the blocks that give maps, by their names in the whole network."""
    kept = {id(tensor) for tensor in maps.state_dict(keep_vars=True).values()}
    whole = network.state_dict(keep_vars=True)
    return {key: tensor for key, tensor in whole.items() if id(tensor) in kept}


def fill(
    network: nn.Module,
    wanted: Mapping[str, Tensor],
    files: tuple[Needed, ...],
    translate: Callable[..., dict[str, Tensor]] | None = None,
) -> None:
    """Load the tensors that are wanted, all of them; a file may hold others, of its classifier."""
    if not files:
        return
    path = files[0].read_from()
    found = [
        translate(tensors, network) if translate else tensors
        for tensors in state_dicts(read_checkpoint(path))
    ]
    best = max(found, key=lambda tensors: len(tensors.keys() & wanted.keys()), default={})
    kept = {key: tensor for key, tensor in best.items() if key in wanted}
    if told := differences(wanted, kept):
        raise UserError(f"{path}: not weights of this teacher: {told}")
    network.load_state_dict(kept, strict=False)
