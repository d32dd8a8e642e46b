"""Where the page draws the nodes and wires of a saved graph, as numbers."""

from __future__ import annotations

from typing import Any

TITLE, SLOT, WIDGET = 30, 20, 24  # heights that the page draws with
BEND = 0.25  # of a wire's length: how far its control points stand from its ends
STEPS = 64

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom


def box_of(node: dict[str, Any]) -> Box:
    """A node with its title."""
    (x, y), (width, height) = node["pos"], node["size"]
    return x, y - TITLE, x + width, y + height


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share more than an edge."""
    return all(one[i] < other[i + 2] and other[i] < one[i + 2] for i in (0, 1))


def output_point(node: dict[str, Any], slot: int) -> Point:
    """Where a wire leaves a node."""
    return node["pos"][0] + node["size"][0], node["pos"][1] + SLOT * (slot + 0.7)


def input_point(node: dict[str, Any], slot: int) -> Point:
    """Where a wire enters a node: at a socket, or at a widget below the sockets."""
    sockets = [entry for entry in node["inputs"] if "widget" not in entry]
    rows = max(len(sockets), len(node["outputs"]))
    y = SLOT * (slot + 0.7) if slot < len(sockets) else SLOT * rows + WIDGET * (slot - len(sockets) + 0.5)
    return node["pos"][0], node["pos"][1] + y


def straight(start: Point, end: Point) -> list[Point]:
    """A wire as a line."""
    return [tuple(a + (b - a) * i / STEPS for a, b in zip(start, end, strict=True)) for i in range(STEPS + 1)]  # type: ignore[misc]


def bent(start: Point, end: Point) -> list[Point]:
    """A wire as the page bends it: out to the right, in from the left."""
    reach = BEND * ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    corners = (start, (start[0] + reach, start[1]), (end[0] - reach, end[1]), end)
    points = []
    for i in range(STEPS + 1):
        t = i / STEPS
        weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
        x, y = (sum(w * corner[axis] for w, corner in zip(weights, corners, strict=True)) for axis in (0, 1))
        points.append((x, y))
    return points


def passes(wire: list[Point], box: Box) -> bool:
    """Whether a wire comes into a box."""
    return any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in wire)


def faults(boxes: dict[Any, Box], wires: list[tuple[Any, Point, Any, Point]]) -> list[str]:
    """What is drawn over something else; `wires` are (node, its point, node, its point)."""
    keys = list(boxes)
    said = [f"{a} and {b} overlap" for i, a in enumerate(keys) for b in keys[:i] if overlap(boxes[a], boxes[b])]
    for source, start, target, end in wires:
        if end[0] < start[0] + SLOT:
            said.append(f"the wire from {source} to {target} runs backwards")
        for key, box in boxes.items():
            own = key in (source, target)
            if not own and any(passes(wire(start, end), box) for wire in (straight, bent)):
                said.append(f"the wire from {source} to {target} runs behind {key}")
    return said
