"""Write a stack as TIFF files of several kinds: ``STACK FOLDER``; each name tells the kind."""

import sys
from pathlib import Path

import numpy as np
import tifffile

#: How tifffile stores each kind. The predictor is that of the type.
KINDS: dict[str, dict[str, object]] = {
    "plain": {},
    "deflate-tiles": {"compression": "deflate", "tile": (256, 256)},
    "deflate-predictor": {"compression": "deflate", "predictor": True},
    "lzw-predictor": {"compression": "lzw", "predictor": True},
    "zstd-tiles": {"compression": "zstd", "tile": (256, 256)},
}


def main() -> None:
    stack, folder = np.load(sys.argv[1]), Path(sys.argv[2])
    # Of 16 bits, as cameras have.
    numbers = {"float32": stack, "uint16": np.rint(stack * 10000).astype(np.uint16)}
    for dtype, channels in numbers.items():
        np.save(folder / f"tiff_{dtype}.npy", channels)
        for kind, how in KINDS.items():
            pages = folder / f"tiff_{dtype}_{kind}_pages.tif"
            tifffile.imwrite(pages, channels, photometric="minisblack", metadata=None, **how)
            mixed = folder / f"tiff_{dtype}_{kind}_interleaved.tif"
            samples = {"photometric": "minisblack", "planarconfig": "contig", "metadata": None}
            tifffile.imwrite(
                mixed, np.ascontiguousarray(channels.transpose(1, 2, 0)), **samples, **how
            )
    (folder / "tiff_done").touch()


main()
