"""Model files as graphs, read without anybody's library: which operators there are, with which shapes and types."""

from edgevision.graphs.graph import Graph, Node, Value
from edgevision.graphs.reading import read_graph

__all__ = ["Graph", "Node", "Value", "read_graph"]
