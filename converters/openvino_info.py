"""What an IR says about itself: ``rt_info/model_info`` in the field names of OpenVINO Model API.

Model API takes BGR images of any size, and builds the preprocessing that is described here into the model it runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from edgevision.preprocessing import Preprocessing

if TYPE_CHECKING:
    from edgevision.converters.file_source import Source

RESIZES = {
    "stretch": "standard",
    "letterbox": "fit_to_window_letterbox",
    "letterbox_top_left": "fit_to_window",
    "center_crop": "crop",
}
"""Our resize -> Model API's."""


def model_info(source: Source) -> dict[str, str]:
    """Return the fields as text, as Model API reads them.

    Lists are separated by spaces, so that spaces in a label become underscores. A model gets a ``model_type``, with
    which Model API runs it unasked, only if Model API can do its preprocessing: known, of a colour image.

    >>> from edgevision.converters.keras_import import SourceModel
    >>> from edgevision.preprocessing import Preprocessing
    >>> source = SourceModel(None, "m", Preprocessing(32, 32, mean=(128,), std=(64,)), ("cat", "fire truck"))
    >>> model_info(source)["labels"], model_info(source)["mean_values"]
    ('cat fire_truck', '128.0 128.0 128.0')
    """
    fields = {}
    if source.labels:
        fields["labels"] = _words("_".join(label.split()) or "_" for label in source.labels)
    if source.preprocessing is None:
        return fields
    fields.update(_preprocessing(source.preprocessing))
    if source.task == "classification" and source.preprocessing.color != "GRAY":
        fields.update(model_type="Classification", output_raw_scores="True")
    return fields


def _preprocessing(preprocessing: Preprocessing) -> dict[str, str]:
    return {
        "resize_type": RESIZES[preprocessing.resize],
        "interpolation_mode": "NEAREST" if preprocessing.filter == "nearest" else "LINEAR",
        "pad_value": str(preprocessing.pad_value),
        "reverse_input_channels": str(preprocessing.color == "RGB"),
        "mean_values": _words(map(repr, preprocessing.mean)),
        "scale_values": _words(map(repr, preprocessing.std)),
        "input_dtype": "u8",
    }


def _words(values: Iterable[str]) -> str:
    return " ".join(values)
