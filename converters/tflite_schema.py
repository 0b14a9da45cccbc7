"""Field ids and enumerations of ``schema.fbs`` (TFLite) and ``metadata_schema.fbs`` (TFLite Metadata), where used here.

A field's id is its position in its table; a union takes two, its type first.
"""

COLOR_SPACES = {"RGB": 1, "GRAY": 2}  # ColorSpaceType; it has no BGR: that stays 0, unknown
FEATURE, IMAGE = 1, 2  # ContentProperties
NORMALIZATION = 1  # ProcessUnitOptions
AXIS_LABELS, VALUE_LABELS = 2, 3  # AssociatedFileType
STORED_AS = {3: "uint8", 7: "int16", 9: "int8"}  # TensorType, the quantized ones of inputs


class Model:
    """Root of a TFLite model."""

    BUFFERS, METADATA = 4, 6


class Entry:
    """Metadata of a TFLite model: a name and the index of a buffer."""

    NAME, BUFFER = 0, 1


class Metadata:
    """ModelMetadata: root of the metadata."""

    NAME, DESCRIPTION, SUBGRAPHS, FILES, PARSER = 0, 1, 3, 6, 7


class Subgraph:
    """SubGraphMetadata."""

    INPUTS, OUTPUTS = 2, 3


class Tensor:
    """TensorMetadata."""

    NAME, DESCRIPTION, CONTENT, UNITS, STATS, FILES = 0, 1, 3, 4, 5, 6


class File:
    """AssociatedFile."""

    NAME, DESCRIPTION, TYPE = 0, 1, 2


class Union:
    """Content and ProcessUnit: either starts with a union."""

    TYPE, VALUE = 0, 1


class Image:
    """ImageProperties."""

    COLOR, SIZE = 0, 1


class Size:
    """ImageSize, in pixels."""

    WIDTH, HEIGHT = 0, 1


class Normalization:
    """NormalizationOptions."""

    MEAN, STD = 0, 1


class Stats:
    """Statistics of a tensor's values."""

    MAX, MIN = 0, 1
