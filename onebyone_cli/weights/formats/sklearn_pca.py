"""Principal components under the names of the attributes of scikit-learn's ``PCA``.

JSON files have them beside the weight, so that ``vars(pca).update(...)`` makes a fitted ``PCA``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Attributes of a fitted `sklearn.decomposition.PCA`.
ATTRIBUTES = (
    *("components_", "mean_", "explained_variance_", "explained_variance_ratio_"),
    *("singular_values_", "noise_variance_", "n_samples_", "n_components_", "n_features_in_"),
    "whiten",
)


def attributes_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes that the fields of a weights file give; empty if they are no PCA.

    A standardized PCA has none: scikit-learn divides by no standard deviation.
    """
    options, count = fields.get("options"), fields.get("count")
    values, kept = fields.get("eigenvalues"), fields.get("explained_variance")
    if fields.get("method") != "pca" or not isinstance(options, dict) or type(count) is not int:
        return {}
    if options.get("standardize") or values is None or kept is None or count < 2:
        return {}
    weight, values, kept = fields["weight"], np.asarray(values), np.asarray(kept)
    rows, columns = weight.shape
    if len(values) != columns or len(kept) != rows or "mean" not in fields:
        return {}
    whiten = bool(options.get("whiten"))
    rest = values[rows : min(columns, count)]
    return {
        "components_": weight * np.sqrt(kept)[:, np.newaxis] if whiten else weight,
        "mean_": np.asarray(fields["mean"]),
        "explained_variance_": kept,
        "explained_variance_ratio_": np.asarray(fields.get("explained_variance_ratio", [])),
        "singular_values_": np.sqrt((count - 1) * kept),
        "noise_variance_": float(rest.mean()) if len(rest) else 0.0,
        "n_samples_": count,
        "n_components_": rows,
        "n_features_in_": columns,
        "whiten": whiten,
    }


def with_weight(document: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a JSON object with the weight and bias of a PCA, in place of its attributes.

    One that has a weight keeps it, and one without components stays as it is. Raises `DataError`
    if the attributes do not fit each other.
    """
    if "weight" not in document and "components_" in document:
        weight = document["components_"]
        found: dict[str, Any] = {"weight": weight, "method": "pca"}
        try:
            matrix = np.array(weight, np.float64)
            mean = np.array(document.get("mean_", [0.0] * matrix.shape[1]), np.float64)
            variances = np.array(document.get("explained_variance_", []), np.float64)
            if document.get("whiten"):
                matrix = matrix / np.sqrt(variances)[:, np.newaxis]
                found["weight"] = matrix.tolist()
            found |= {"bias": (-(matrix @ mean)).tolist(), "mean": mean}
        except (ValueError, TypeError, IndexError) as error:
            raise DataError(
                "the attributes of PCA do not fit each other; expected components_ (K, C), mean_ "
                "(C,), and with whiten explained_variance_ (K,)",
                path,
            ) from error
        names = {"explained_variance_": "explained_variance"}
        names["explained_variance_ratio_"] = "explained_variance_ratio"
        found |= {new: document[old] for old, new in names.items() if old in document}
        if type(document.get("n_samples_")) is int:
            found["count"] = document["n_samples_"]
        document = {**document, **found}
    if "components_" not in document:
        return dict(document)
    return {name: value for name, value in document.items() if name not in ATTRIBUTES}
