"""Import h5py."""

import os
from typing import Any


def load_h5py() -> Any:
    """Import h5py so that no data file can make it load code.

    HDF5 loads a plugin, which is code, where a file names a filter that it lacks. ``::`` switches
    that off; HDF5 reads the variable once, when h5py is imported. If the user sets either variable,
    it stays.
    """
    if not {"HDF5_PLUGIN_PRELOAD", "HDF5_PLUGIN_PATH"} & os.environ.keys():
        os.environ["HDF5_PLUGIN_PRELOAD"] = "::"
    import h5py

    return h5py
