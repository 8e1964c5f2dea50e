"""Named protocols: published PSNR and SSIM differ because everybody computes them differently."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from blurbench.errors import UserError

# How a network's output becomes what is scored: the nearest of 256 levels, the next lower one, or
# as it is. Pictures that come from files have 8 bits anyway, and score the same under all three.
Levels = Literal["rounded", "truncated", "exact"]


class NoScore(UserError, ValueError):
    """Pictures that cannot be compared, or have no finite score; any other error is a fault."""


@dataclass(frozen=True)
class Protocol:
    """Everything that changes a number; results of two protocols are never ranked together."""

    description: str  # one sentence, shown beside every number
    source: str
    rounding: str
    colour: str
    data_range: float
    psnr: str
    ssim: str
    levels: Levels = "rounded"
    # Metrics that this protocol computes in its own way: name -> "module:name". Those of a face
    # class follow.
    functions: Mapping[str, str] = field(default_factory=dict)


# PSNR never exceeds this, so that one identical picture cannot turn a mean into infinity. Rounding
# a perfect restoration to 8 bits already costs 58.9 dB (a mean squared error of 1/12), so no
# honest difference lies above it.
PSNR_CEILING_DB = 100.0

ROUNDED = "restored pictures are clipped and rounded to uint8 before they are scored"
RGB = "RGB, the mean over the three channels"
PSNR_RGB = (
    "10 log10(255^2 / MSE), MSE over all pixels and channels; at most "
    f"{PSNR_CEILING_DB:g} dB, which identical pictures score"
)
WANG = (
    "11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, mean over"
    " the windows that lie wholly inside the picture"
)

PROTOCOLS: dict[str, Protocol] = {
    "wang-rgb": Protocol(
        description="8-bit RGB against 8-bit RGB; PSNR over all pixels and channels; SSIM with a "
        "Gaussian window on each channel, averaged.",
        source="Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 13(4), 2004, "
        "eq. 13 with the constants of section III-B and C, on each channel",
        rounding=ROUNDED,
        colour=RGB,
        data_range=255.0,
        psnr=PSNR_RGB,
        ssim=WANG,
    ),
    "wang-y": Protocol(
        description="PSNR and SSIM of the luma alone, as super-resolution papers report them.",
        source="ITU-R BT.601, 16 to 235, as MATLAB's rgb2ycbcr; not rounded again",
        rounding=ROUNDED,
        colour="luma of BT.601, 16 to 235",
        data_range=255.0,
        psnr="10 log10(255^2 / MSE) of the luma: about 1.7 dB above RGB's",
        ssim=WANG,
        functions={
            "psnr": "blurbench.metrics.variants:luma_psnr",
            "ssim": "blurbench.metrics.variants:luma_ssim",
        },
    ),
    "gopro-matlab": Protocol(
        description="SSIM with a window that also runs across the colour channels, as MATLAB's "
        "ssim of an RGB array computes it; most GoPro tables since 2017.",
        source="MATLAB ssim on (H, W, 3), as the evaluation scripts of MPRNet, Restormer and "
        "MSSNet call it",
        rounding=ROUNDED,
        colour="RGB as a volume",
        data_range=255.0,
        psnr=PSNR_RGB,
        ssim="11x11x11 Gaussian window of sigma 1.5 over rows, columns and channels, borders "
        "repeated, population covariance, mean over all samples",
        functions={"ssim": "blurbench.metrics.variants:volume_ssim"},
    ),
    "skimage-default": Protocol(
        description="What scikit-image's structural_similarity gives when only channel_axis is "
        "set.",
        source="scikit-image, skimage.metrics.structural_similarity",
        rounding=ROUNDED,
        colour=RGB,
        data_range=255.0,
        psnr=PSNR_RGB,
        ssim="7x7 uniform window, K1 = 0.01, K2 = 0.03, sample covariance, mean over the windows "
        "that lie wholly inside the picture",
        functions={"ssim": "blurbench.metrics.variants:uniform_ssim"},
    ),
    "mimo-float": Protocol(
        description="The network's output before it is rounded to 8 bits.",
        source="the evaluation script of MIMO-UNet (Cho et al., ICCV 2021); SSIM, which it does "
        "not compute, as in wang-rgb",
        rounding="none: restored pictures are clipped to 0..1 and scored as they are",
        colour=RGB,
        data_range=255.0,
        psnr=PSNR_RGB,
        ssim=WANG,
        levels="exact",
        functions={
            "psnr": "blurbench.metrics.variants:exact_psnr",
            "ssim": "blurbench.metrics.variants:exact_ssim",
        },
    ),
    "deblurgan-v2": Protocol(
        description="Grey levels cut off instead of rounded, and windows that reach over the "
        "border into black.",
        source="the evaluation scripts of DeblurGAN and DeblurGAN-v2 (Kupyn et al., ICCV 2019)",
        rounding="restored pictures are clipped and truncated to uint8",
        colour=RGB,
        data_range=255.0,
        psnr=PSNR_RGB,
        ssim="11x11 Gaussian window of sigma 1.5 on pictures with a black border, K1 = 0.01, "
        "K2 = 0.03, population covariance, mean over all pixels",
        levels="truncated",
        functions={"ssim": "blurbench.metrics.variants:bordered_ssim"},
    ),
    "pyiqa": Protocol(
        description="PSNR and SSIM of the pyiqa package, under its own names.",
        source="pyiqa's metrics psnr (RGB) and ssim (luma of YIQ)",
        rounding=ROUNDED,
        colour="RGB for PSNR, luma of YIQ for SSIM",
        data_range=255.0,
        psnr="as wang-rgb; at most 80 dB",
        ssim="pyiqa's ssim: 11x11 Gaussian window of sigma 1.5 on the luma",
        functions={
            "psnr": "blurbench.metrics.perceptual:pyiqa_psnr",
            "ssim": "blurbench.metrics.perceptual:pyiqa_ssim",
        },
    ),
    "realblur": Protocol(
        description="The restored picture is matched in brightness and warped onto the sharp one "
        "before it is scored: pairs of two cameras do not line up.",
        source="Rim et al., Real-world blur dataset, ECCV 2020: the evaluation script of RealBlur",
        rounding=ROUNDED,
        colour=RGB,
        data_range=255.0,
        psnr="over the pixels that the warped picture covers, after one factor on all grey levels "
        "and a homography by enhanced correlation (100 iterations)",
        ssim="wang-rgb's window on the same pictures, mean over the covered pixels",
        functions={
            "psnr": "blurbench.metrics.aligned:homography_psnr",
            "ssim": "blurbench.metrics.aligned:homography_ssim",
        },
    ),
    "kohler": Protocol(
        description="The restored picture is shifted onto the sharp one and matched in brightness "
        "before it is scored: a blind result has no position of its own.",
        source="Köhler et al., Recording and playback of camera shake, ECCV 2012, with one sharp "
        "frame in place of the best of the recorded ones",
        rounding=ROUNDED,
        colour=RGB,
        data_range=255.0,
        psnr="over the pixels that the shifted picture covers, after one factor on all grey levels "
        "and a shift found to a tenth of a pixel",
        ssim="wang-rgb's window on the same pictures, mean over the covered pixels",
        functions={
            "psnr": "blurbench.metrics.aligned:shift_psnr",
            "ssim": "blurbench.metrics.aligned:shift_ssim",
        },
    ),
}
