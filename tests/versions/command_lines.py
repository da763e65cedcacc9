"""All command lines, and where two versions differ on purpose."""

from line import Line
from topics import jobs, learning, looking, numbers, reading, writing

#: Why results differ, by id of a line, or by a pattern of ids such as ``shards/*``.
ON_PURPOSE: dict[str, str] = {
    "hdf5_in/dataset_bands_near_to_h5": "a combination of channels does not keep their unit",
    "hdf5_in/same_name_out": "a combination of channels does not keep their unit",
    "each/dataset": "a combination of channels does not keep their unit",
    "invalid/nodata_h5": "an .h5 output states its nodata value",
    "fit/input_constant.npy": "a constant channel has weight 0, not 1e-16",
    "fit/constant_standardize": "a constant channel has weight 0, not 1e-16",
    "images_out/single_tiff_*": "TIFF is written without Pillow, with names, history and nodata",
    "images_out/colour_tif": "TIFF is written without Pillow, with names, history and nodata",
    "invalid/infinite*": "an infinity makes a pixel invalid, as NaN does",
    "invalid/nodata_no_number": "none is a value of --nodata: no number of the file is invalid",
    "reduce/mask*": "masked pixels are invalid in the result, too",
    "each/to_images": "each stack of three channels of 8 bits becomes one colour image",
    "names/dry_run": "a dry run speaks of blocks",
}


def all_lines() -> list[Line]:
    """Return every line; ids are unique."""
    topics = (reading, writing, numbers, learning, jobs, looking)
    lines = [line for topic in topics for line in topic.lines()]
    ids = [line.id for line in lines]
    if repeated := {one for one in ids if ids.count(one) > 1}:
        raise ValueError(f"ids given twice: {', '.join(sorted(repeated))}")
    return lines
