"""Golden files: one compressed .npz a family, holding a tree of cases.

A tree is dictionaries and lists with arrays, numbers and strings as leaves. Thousands of small members
would cost more than their contents, so a file has two: `index`, the tree as JSON with {"at": ..., "shape":
..., "dtype": ...} in the place of each array, and `planes`, all arrays as one float32 vector whose four
bytes are kept apart (it compresses better).
"""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def save(family: str, tree: dict) -> None:
    """Write tests/golden/<family>.npz."""
    parts: list[np.ndarray] = []

    def index(node):
        if isinstance(node, dict):
            return {key: index(child) for key, child in node.items()}
        if isinstance(node, list):
            return [index(child) for child in node]
        if not isinstance(node, np.ndarray):
            return node
        parts.append(node.astype(np.float32).ravel())
        assert np.array_equal(parts[-1].astype(node.dtype), node.ravel(), equal_nan=True)
        return {"at": sum(map(len, parts[:-1])), "shape": list(node.shape), "dtype": node.dtype.name}

    text = json.dumps(index(tree), separators=(",", ":"))
    planes = np.concatenate(parts).view(np.uint8).reshape(-1, 4).T
    np.savez_compressed(FOLDER / f"{family}.npz", index=np.frombuffer(text.encode(), np.uint8), planes=planes)


def load(family: str) -> dict:
    """The tree that `save` wrote, e.g. load("layers")["conv2d_same"]["weights"][0]."""
    with np.load(FOLDER / f"{family}.npz") as file:
        tree = json.loads(file["index"].tobytes())
        flat = np.ascontiguousarray(file["planes"].T).view(np.float32).ravel()

    def arrays(node):
        if isinstance(node, list):
            return [arrays(child) for child in node]
        if not isinstance(node, dict):
            return node
        if set(node) != {"at", "shape", "dtype"}:
            return {key: arrays(child) for key, child in node.items()}
        size = int(np.prod(node["shape"]))
        return flat[node["at"] : node["at"] + size].reshape(node["shape"]).astype(node["dtype"])

    return arrays(tree)
