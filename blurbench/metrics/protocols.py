"""Named protocols: published PSNR and SSIM differ because everybody computes them differently."""

from dataclasses import dataclass


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


# PSNR never exceeds this, so that one identical picture cannot turn a mean into infinity. Rounding
# a perfect restoration to 8 bits already costs 58.9 dB (a mean squared error of 1/12), so no
# honest difference lies above it.
PSNR_CEILING_DB = 100.0

PROTOCOLS: dict[str, Protocol] = {
    "wang-rgb": Protocol(
        description="8-bit RGB against 8-bit RGB; PSNR over all pixels and channels; SSIM with a "
        "Gaussian window on each channel, averaged.",
        source="Wang, Bovik, Sheikh, Simoncelli: Image quality assessment, IEEE TIP 13(4), 2004, "
        "eq. 13 with the constants of section III-B and C, on each channel",
        rounding="restored pictures are clipped and rounded to uint8 before they are scored",
        colour="RGB, the mean over the three channels",
        data_range=255.0,
        psnr="10 log10(255^2 / MSE), MSE over all pixels and channels; at most "
        f"{PSNR_CEILING_DB:g} dB, which identical pictures score",
        ssim="11x11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, "
        "mean over the windows that lie wholly inside the picture",
    ),
}
