"""Write a stack in several formats: ``STACK FOLDER``; each name tells the kind."""

import sys
from pathlib import Path

import netCDF4
import numpy as np
import rasterio
import scipy.io
import zarr

CHANNELS_LAST = (1, 2, 0)


def write_zarr(folder: Path, stack: np.ndarray) -> None:
    """As zarr-python stores it: plain, compressed, and compressed in shards."""
    ways: dict[str, dict[str, object]] = {
        "plain": {"chunks": (1, 600, 600), "compressors": None},
        "zstd": {"chunks": (1, 256, 256)},
        "sharded": {"chunks": (1, 150, 150), "shards": (1, 600, 600)},
    }
    for kind, how in ways.items():
        zarr.create_array(folder / f"formats_{kind}.zarr", data=stack, overwrite=True, **how)


def write_netcdf(folder: Path, stack: np.ndarray) -> None:
    """As the netCDF library stores it: plain, and with Deflate and shuffle by channel."""
    for kind, how in (("plain", {}), ("deflate", {"compression": "zlib", "complevel": 4})):
        with netCDF4.Dataset(folder / f"formats_{kind}.nc", "w") as file:
            for name, size in zip("byx", stack.shape, strict=True):
                file.createDimension(name, size)
            chunks = {"chunksizes": (1, *stack.shape[1:])} if how else {"contiguous": True}
            file.createVariable("stack", "f4", tuple("byx"), **how, **chunks)[:] = stack


def main() -> None:
    stack, folder = np.load(sys.argv[1]), Path(sys.argv[2])
    write_zarr(folder, stack)
    write_netcdf(folder, stack)
    for kind, how in (("plain", False), ("deflate", True)):
        path = folder / f"formats_{kind}.mat"
        # MATLAB's order of axes is rows, columns, channels.
        scipy.io.savemat(path, {"x": stack.transpose(CHANNELS_LAST)}, do_compression=how)
    channels, height, width = stack.shape
    size = {"count": channels, "height": height, "width": width, "dtype": "float32"}
    size["transform"] = rasterio.Affine.scale(2)
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    with rasterio.open(folder / "formats_deflate.tif", "w", "GTiff", **size, **tiles) as file:
        file.write(stack)
    (folder / "formats_done").touch()


main()
