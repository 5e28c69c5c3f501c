"""Lineage: what a thing came from, and what came of it; found by marks, so that an answer costs what it tells."""

from __future__ import annotations

from .down import Descendant as Descendant
from .down import Step as Step
from .graph import Edge as Edge
from .graph import Graph as Graph
from .graph import Node as Node
from .tracing import Lineage as Lineage
from .tracing import Link as Link
from .tracing import trace as trace
from .up import Origin as Origin
from .up import makers_of as makers_of
