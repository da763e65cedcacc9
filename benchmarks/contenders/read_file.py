"""Read a file into memory with the library of its format, with two threads where it has any."""

import sys

path = sys.argv[1]
if "formats_" in path and path.endswith(".tif"):
    import warnings

    import rasterio

    warnings.simplefilter("ignore")  # of georeferencing
    with rasterio.open(path, num_threads=2) as file:
        file.read()
elif path.endswith(".tif"):
    import tifffile

    tifffile.imread(path, maxworkers=2)
elif path.endswith(".zarr"):
    import zarr

    zarr.config.set({"threading.max_workers": 2})
    zarr.open_array(path, mode="r")[:]
elif path.endswith(".nc"):
    import netCDF4

    with netCDF4.Dataset(path) as file:
        file["stack"][:]
else:
    import scipy.io

    scipy.io.loadmat(path)
