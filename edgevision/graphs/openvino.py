"""Operators and tensors of an OpenVINO IR, versions 10 and 11: layers and edges of its .xml."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from edgevision.graphs.graph import Graph, Node, Value

_DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "f64": "float64", "boolean": "bool", "u1": "uint8",
           **{f"{sign}{bits}": f"{word}{bits}" for sign, word in (("i", "int"), ("u", "uint"))
              for bits in (4, 8, 16, 32, 64)}}  # fmt: skip
_PRECISIONS = {"FP32": "f32", "FP16": "f16", "BF16": "bf16", "FP64": "f64", "BOOL": "boolean",
               **{f"{sign.upper()}{bits}": f"{sign}{bits}" for sign in "iu"
                  for bits in (4, 8, 16, 32, 64)}}  # fmt: skip
_STANDARD = ("opset", "ie_internal")


def read_ir(path: Path) -> Graph:
    """Read the layers; what is damaged raises ValueError or KeyError."""
    text = path.read_bytes()
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError("a document type declaration, which no model has")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as exc:
        raise ValueError(f"XML: {exc}") from exc
    values: dict[str, Value] = {}
    nodes: list[Node] = []
    ends: dict[str, list[str]] = {"Parameter": [], "Result": []}
    sources = {
        (edge.attrib["to-layer"], edge.attrib["to-port"]): f"{edge.attrib['from-layer']}:{edge.attrib['from-port']}"
        for edge in root.iterfind("edges/edge")
    }
    for layer in root.iterfind("layers/layer"):
        kind, number, name = layer.attrib["type"], layer.attrib["id"], layer.attrib["name"]
        inputs = tuple(sources.get((number, port.attrib["id"]), "") for port in layer.iterfind("input/port"))
        outputs = [_value(port, number, kind == "Const") for port in layer.iterfind("output/port")]
        values |= {value.name: value for value in outputs}
        names = tuple(value.name for value in outputs)
        if kind in ends:
            ends[kind].extend(names or inputs)
        elif kind != "Const":
            data = layer.find("data")
            version = layer.attrib.get("version", "")
            custom = not version.startswith(_STANDARD) and version != "extension"
            attributes = dict(data.attrib) if data is not None else {}
            nodes.append(Node(len(nodes), kind, name, inputs, names, attributes, custom))
    size = len(text) + path.with_suffix(".bin").stat().st_size
    return Graph("openvino", tuple(nodes), values, tuple(ends["Parameter"]), tuple(ends["Result"]), size)


def _value(port: ElementTree.Element, layer: str, constant: bool) -> Value:
    precision = port.attrib.get("precision", "")
    shape = tuple(None if int(dim.text or -1) < 0 else int(dim.text or 0) for dim in port.iterfind("dim"))
    dtype = _DTYPES.get(_PRECISIONS.get(precision, precision.lower()), precision.lower())
    return Value(f"{layer}:{port.attrib['id']}", shape, dtype, constant)
