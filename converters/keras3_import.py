"""Models that Keras 3 saved, as models of tf_keras, in which the methods here work; their answers are compared."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgevision.converters.keras3_build import Translation, build
from edgevision.converters.keras3_check import check_equal
from edgevision.converters.keras3_graph import read_graph
from edgevision.converters.keras3_weights import StoredWeights
from edgevision.converters.vendor import vendor_step
from edgevision.keras_loading import load_keras3_model
from edgevision.keras_safety import KerasFile, check_keras_file
from edgevision.manifest import LineageStep
from edgevision.optional import versions
from edgevision.preprocessing import Preprocessing


@dataclass(frozen=True)
class Keras3Import:
    """A file of Keras 3, translated.

    Attributes:
        file: The file.
        checked: What the check of its config said.
        translation: The model in tf_keras.
    """

    file: Path
    checked: KerasFile
    translation: Translation

    @property
    def model(self) -> Any:
        """The ``tf_keras.Model``."""
        return self.translation.model

    def compare(self, preprocessing: Preprocessing | None = None) -> LineageStep:
        """Run the file in Keras 3 and compare its answers with the translation's.

        Args:
            preprocessing: How an image becomes the input, where it is known.

        Returns:
            The import, as a step of the lineage.

        Raises:
            UntranslatableError: The answers differ; the first layer that does is named.
            BackendUnavailableError: Keras 3 is not installed, or does not compute with TensorFlow.
        """
        original = load_keras3_model(self.file, self.checked, step=vendor_step)
        with vendor_step(f"comparing {self.file.name} with its translation"):
            equality = check_equal(original, self.model, self.translation.tensors, preprocessing)
        parameters = {
            "from": f"Keras {self.checked.keras_version}",
            "max_difference": float(f"{equality.max_difference:.1g}"),
            "tolerance": equality.tolerance,
            "samples": equality.samples,
            "left_out": sorted(set(self.translation.left_out)),
        }
        return LineageStep("import", parameters, versions("edgevision", "keras", "tf-keras", "tensorflow"))


def import_keras3(file: Path, checked: KerasFile) -> Keras3Import:
    """Translate a file of Keras 3 into tf_keras, layer by layer.

    Args:
        file: A ``.keras`` or HDF5 file.
        checked: What `edgevision.keras_safety.check_keras_file` said about it.

    Raises:
        UntranslatableError: A layer or operation that tf_keras does not have; it is named.
        ArtifactError: The file is damaged, or its weights do not fit its layers.
        BackendUnavailableError: The extra ``train`` is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved, config = file, checked.config
        if checked.kind == "hdf5":  # whose configs do not tell an operation from a layer of the same name
            saved = Path(folder, f"{file.stem}.keras")
            original = load_keras3_model(file, checked, step=vendor_step)
            with vendor_step(f"reading {file.name} with Keras 3"):
                original.save(saved)
            config = check_keras_file(saved).config
        weights = StoredWeights(saved)
        with vendor_step(f"translating {file.name} into tf_keras"):
            return Keras3Import(file, checked, build(read_graph(config, file.name), weights))
