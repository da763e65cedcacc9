"""Spectral libraries of ENVI, as Spectral Python writes them."""

import numpy as np
import pytest
from command import onebyone

from onebyone_cli.errors import DataError
from onebyone_cli.weights.endmembers import load_endmembers
from onebyone_cli.weights.load import load_weights

SPECTRA = np.array([[0.1, 0.4, 0.7, 0.2], [0.5, 0.25, 0.125, 0.3]], "float32")
NAMES, WAVELENGTHS = ["oak, old", "sand"], [450.0, 550.0, 650.0, 850.5]

HEADER = """ENVI
samples = 4
lines = 2
bands = 1
header offset = {offset}
file type = ENVI Spectral Library
data type = 4
interleave = bsq
byte order = {order}
wavelength units = Nanometers
reflectance scale factor = 10000
spectra names = {{oak, sand}}
wavelength = {{450, 550,
 650, 850.5}}
"""


def write(folder, order=0, offset=0, header=HEADER):
    kind = SPECTRA.dtype.newbyteorder(">" if order else "<")
    (folder / "a.sli").write_bytes(bytes(offset) + SPECTRA.astype(kind).tobytes())
    (folder / "a.hdr").write_text(header.format(order=order, offset=offset))
    return str(folder / "a.sli")


@pytest.mark.parametrize(("order", "offset"), [(0, 0), (1, 0), (0, 16)])
def test_a_library_is_a_matrix_of_spectra(tmp_path, order, offset):
    found = load_weights(write(tmp_path, order, offset))
    assert np.array_equal(found.weight, SPECTRA.astype("float64"))
    assert found.meta["outputs"] == ["oak", "sand"]
    assert found.meta["wavelengths"] == WAVELENGTHS
    assert "reflectance scale factor = 10000 is not applied" in found.notes


def test_a_library_of_spectral_python_has_endmembers(tmp_path):
    envi = pytest.importorskip("spectral.io.envi")
    library = envi.SpectralLibrary(SPECTRA, {"spectra names": ["oak", "sand"]})
    library.bands.centers, library.bands.band_unit = WAVELENGTHS, "nm"
    library.save(str(tmp_path / "s"))
    found = load_endmembers(str(tmp_path / "s.sli"), 4)
    assert np.array_equal(found.matrix, SPECTRA.T.astype("float64"))
    assert found.names == ("oak", "sand")
    assert found.wavelengths == tuple(WAVELENGTHS)


def test_unmixing_with_a_library(tmp_path):
    write(tmp_path)
    abundances = np.array([[0.25, 1.0], [0.75, 0.0]])
    np.save(tmp_path / "x.npy", (SPECTRA.T @ abundances).reshape(4, 1, 2))
    job = ("reduce", "x.npy", "--method", "unmix", "--endmembers", "a.sli", "-o", "y.npy")
    ended = onebyone(*job, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert np.allclose(np.load(tmp_path / "y.npy").reshape(2, 2), abundances, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("lines = 2", "lines = 3"), "its header promises 48: 3×4 float32"),
        (("bands = 1", "bands = 2"), "is of an image of 2 bands"),
        (("data type = 4", "data type = 6"), "has data type = 6; expected"),
        (("samples = 4\n", ""), "has samples = nothing; expected a whole number"),
        (("ENVI\nsamples", "samples"), "is not an ENVI header"),
    ],
)
def test_what_is_wrong_with_a_library_is_told(tmp_path, change, message):
    path = write(tmp_path, header=HEADER.replace(*change))
    with pytest.raises(DataError, match=message):
        load_weights(path)


def test_a_library_needs_its_header(tmp_path):
    path = write(tmp_path)
    (tmp_path / "a.hdr").unlink()
    with pytest.raises(DataError, match="has no ENVI header beside it"):
        load_weights(path)
