"""Tasselled cap transformations: brightness, greenness and wetness from the bands of a satellite.

The method is that of Kauth & Thomas 1976, "The tasselled cap – a graphic description of the
spectral-temporal development of agricultural crops as seen by Landsat", LARS Symposia 159. Each set
of coefficients is from the paper named with it, and agrees with two or more independent listings.
Its rows are orthonormal up to the four digits that are printed (MODIS: to 0.014, as published),
which reveals misprints in some listings.

Coefficients of one processing level do not fit another: see the title.
"""

from onebyone_cli.weights.presets.tables import Published

_CAP = ("brightness", "greenness", "wetness")
_ALL_SIX = (*_CAP, "fourth", "fifth", "sixth")
_TM_BANDS = ("B1 blue", "B2 green", "B3 red", "B4 nir", "B5 swir1", "B7 swir2")

KERNELS = (
    Published(
        name="tasselled-cap-tm",
        title="tasselled cap, Landsat 4 and 5 TM, reflectance factors",
        source="Crist 1985, A TM tasseled cap equivalent transformation for reflectance factor "
        "data, Remote Sensing of Environment 17, 301-306",
        channels=_TM_BANDS,
        outputs=_ALL_SIX,
        usual=3,
        weight=(
            (0.2043, 0.4158, 0.5524, 0.5741, 0.3124, 0.2303),
            (-0.1603, -0.2819, -0.4934, 0.7940, -0.0002, -0.1446),
            (0.0315, 0.2021, 0.3102, 0.1594, -0.6806, -0.6109),
            (-0.2117, -0.0284, 0.1302, -0.1007, 0.6529, -0.7078),
            (-0.8669, -0.1835, 0.3856, 0.0408, -0.1132, 0.2272),
            (0.3677, -0.8200, 0.4354, 0.0518, -0.0066, -0.0104),
        ),
    ),
    Published(
        name="tasselled-cap-etm",
        title="tasselled cap, Landsat 7 ETM+, at-satellite reflectance",
        source="Huang et al. 2002, Derivation of a tasselled cap transformation based on Landsat 7 "
        "at-satellite reflectance, International Journal of Remote Sensing 23, 1741-1748",
        channels=_TM_BANDS,
        outputs=_ALL_SIX,
        usual=3,
        weight=(
            (0.3561, 0.3972, 0.3904, 0.6966, 0.2286, 0.1596),
            (-0.3344, -0.3544, -0.4556, 0.6966, -0.0242, -0.2630),
            (0.2626, 0.2141, 0.0926, 0.0656, -0.7629, -0.5388),
            (0.0805, -0.0498, 0.1950, -0.1327, 0.5752, -0.7775),
            (-0.7252, -0.0202, 0.6683, 0.0631, -0.1494, -0.0274),
            (0.4000, -0.8172, 0.3832, 0.0602, -0.1095, 0.0985),
        ),
    ),
    Published(
        name="tasselled-cap-oli",
        title="tasselled cap, Landsat 8 OLI, at-satellite reflectance",
        source="Baig et al. 2014, Derivation of a tasselled cap transformation based on Landsat 8 "
        "at-satellite reflectance, Remote Sensing Letters 5, 423-431",
        channels=("B2 blue", "B3 green", "B4 red", "B5 nir", "B6 swir1", "B7 swir2"),
        outputs=_ALL_SIX,
        usual=3,
        weight=(
            (0.3029, 0.2786, 0.4733, 0.5599, 0.5080, 0.1872),
            (-0.2941, -0.2430, -0.5424, 0.7276, 0.0713, -0.1608),
            (0.1511, 0.1973, 0.3283, 0.3407, -0.7117, -0.4559),
            (-0.8239, 0.0849, 0.4396, -0.0580, 0.2013, -0.2773),
            (-0.3294, 0.0557, 0.1056, 0.1855, -0.4349, 0.8085),
            (0.1079, -0.9023, 0.4119, 0.0575, -0.0259, 0.0252),
        ),
    ),
    Published(
        name="tasselled-cap-msi",
        title="tasselled cap, Sentinel-2, 6 bands, at-sensor reflectance",
        source="Shi & Xu 2019, Derivation of tasseled cap transformation coefficients for "
        "Sentinel-2 MSI at-sensor reflectance data, IEEE Journal of Selected Topics in Applied "
        "Earth Observations and Remote Sensing 12, 4038-4048",
        channels=("B2 blue", "B3 green", "B4 red", "B8 nir", "B11 swir1", "B12 swir2"),
        outputs=_CAP,
        usual=3,
        weight=(
            (0.3510, 0.3813, 0.3437, 0.7196, 0.2396, 0.1949),
            (-0.3599, -0.3533, -0.4734, 0.6633, 0.0087, -0.2856),
            (0.2578, 0.2305, 0.0883, 0.1071, -0.7611, -0.5308),
        ),
    ),
    Published(
        name="tasselled-cap-msi13",
        title="tasselled cap, Sentinel-2, all 13 bands, 8A last",
        source="Nedkov 2017, Orthogonal transformation of segmented images from the satellite "
        "Sentinel-2, Comptes rendus de l'Academie bulgare des Sciences 70, 687-692",
        channels=(
            *(f"B{band}" for band in range(1, 13)),
            "B8A",
        ),
        outputs=_CAP,
        usual=3,
        weight=(
            (
                *(0.0356, 0.0822, 0.1360, 0.2611, 0.2964, 0.3338, 0.3877, 0.3895, 0.0949),
                *(0.0009, 0.3882, 0.1366, 0.4750),
            ),
            (
                *(-0.0635, -0.1128, -0.1680, -0.3480, -0.3303, 0.0852, 0.3302, 0.3165, 0.0467),
                *(-0.0009, -0.4578, -0.4064, 0.3625),
            ),
            (
                *(0.0649, 0.1363, 0.2802, 0.3072, 0.5288, 0.1379, -0.0001, -0.0807, -0.0302),
                *(0.0003, -0.4064, -0.5602, -0.1389),
            ),
        ),
    ),
    Published(
        name="tasselled-cap-modis",
        title="tasselled cap, MODIS, nadir reflectance (NBAR)",
        source="Lobser & Cohen 2007, MODIS tasselled cap: land cover characteristics expressed "
        "through transformed MODIS data, International Journal of Remote Sensing 28, 5079-5101",
        channels=(
            *("B1 red", "B2 nir1", "B3 blue", "B4 green"),
            *("B5 nir2", "B6 swir1", "B7 swir2"),
        ),
        outputs=_CAP,
        usual=3,
        weight=(
            (0.4395, 0.5945, 0.2460, 0.3918, 0.3506, 0.2136, 0.2678),
            (-0.4064, 0.5129, -0.2744, -0.2893, 0.4882, -0.0036, -0.4169),
            (0.1147, 0.2489, 0.2408, 0.3132, -0.3122, -0.6416, -0.5087),
        ),
    ),
)
