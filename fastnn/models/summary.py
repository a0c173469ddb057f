"""The table of ``model.summary()``."""

from fastnn.graph.declaration import FunctionOperation
from fastnn.layers.core import InputLayer
from fastnn.tree import flatten

UNITS = ("B", "KB", "MB", "GB", "TB")


def summary_text(model, line_length=None, expand_nested=False, show_trainable=False, layer_range=None, flops=False):
    """The summary of a model as text."""
    connected = _branches(model)
    rows = _rows(model, expand_nested, show_trainable, layer_range, flops, connected)
    header = ["Layer (type)", "Output Shape", "Param #"] + ["Connected to"] * connected
    header += ["Trainable"] * show_trainable + ["FLOPs"] * flops
    widths = _widths(len(header), line_length or (80 if len(header) == 3 else 96), connected)
    lines = [f'Model: "{model.name}"', _rule(widths, "┏━┳┓"), _line(header, widths, "┃"), _rule(widths, "┡━╇┩")]
    for i, row in enumerate(rows):
        if i:
            lines.append(_rule(widths, "├─┼┤"))
        lines += _cells(row, widths)
    lines.append(_rule(widths, "└─┴┘"))
    return "\n".join(lines + _totals(model))


def _branches(model):
    """Whether the layers are not simply one after the other, so that it needs to be said what is connected."""
    graph = getattr(model, "_graph", None)
    return graph is not None and (
        len(flatten(graph.inputs)) > 1 or len(graph.nodes) > len(graph.operations) or _forks(graph)
    )


def _forks(graph):
    read = [id(t) for node in graph.nodes for t in node.inputs]
    return len(read) > len(set(read)) or any(len(node.inputs) > 1 for node in graph.nodes)


def _widths(columns, line_length, connected):
    shares = {3: (0.455, 0.345, 0.20), 4: (0.40, 0.28, 0.17, 0.15), 5: (0.32, 0.25, 0.15, 0.13, 0.15)}
    if connected:
        shares = {4: (0.30, 0.27, 0.17, 0.26), 5: (0.27, 0.24, 0.14, 0.22, 0.13), 6: (0.23, 0.2, 0.12, 0.2, 0.12, 0.13)}
    shares = shares[columns]
    inner = line_length - columns - 1
    widths = [int(inner * share) for share in shares]
    widths[0] += inner - sum(widths)
    return widths


def _rule(widths, marks):
    left, bar, between, right = marks
    return left + between.join(bar * w for w in widths) + right


def _line(cells, widths, bar):
    """One line of the table: text to the left, numbers (from the third column on) to the right."""
    parts = []
    for i, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        parts.append(f" {cell:<{width - 2}} " if i < 2 else f" {cell:>{width - 2}} ")
    return bar + bar.join(parts) + bar


def _cells(row, widths):
    """A row of the table, long texts broken into several lines."""
    wrapped = [_wrap(cell, width - 2) for cell, width in zip(row, widths, strict=True)]
    height = max(map(len, wrapped))
    return [_line([w[i] if i < len(w) else "" for w in wrapped], widths, "│") for i in range(height)]


def _wrap(text, width):
    """Broken at spaces, or within a word that is too long."""
    lines, line = [], text[: len(text) - len(text.lstrip())]
    for word in text.lstrip().split(" "):
        while len(word) > width:
            room = width - len(line) - (1 if line else 0)
            if line and room <= 0:
                lines.append(line)
                line = ""
                continue
            line = f"{line} {word[:room]}" if line else word[:width]
            word = word[room if room < width else width :]
            lines.append(line)
            line = ""
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _shape_of(layer, shapes):
    """What a layer gives: in this model, or in the first one that it was called in."""
    if id(layer) in shapes or not layer._inbound_nodes:
        return str(shapes.get(id(layer), "?"))
    return ", ".join(str(t.shape) for t in flatten(layer._inbound_nodes[0].outputs))


def _sources(graph, layer):
    """Where a layer's inputs come from: name, number of the call, number of the output."""
    histories = [t.data for node in graph.nodes if node.operation is layer for t in node.inputs]
    return ", ".join(f"{h.operation.name}[{h.node_index}][{h.tensor_index}]" for h in histories) or "-"


def _type_name(layer):
    from fastnn.models.graph_config import class_name

    return class_name(layer.function) if isinstance(layer, FunctionOperation) else type(layer).__name__


def _rows(model, expand_nested, show_trainable, layer_range, flops, connected=False):
    shapes = {id(layer): shape for layer, shape in (getattr(model, "_shapes", None) or [])}
    shape = model._build_shapes if model.built else None
    graph = getattr(model, "_graph", None)
    counts = model.flops_by_layer(shape) if flops and shape else {}
    rows = []
    for layer in _chosen(model.layers if graph is None else graph.operations, layer_range):
        weights, trained = getattr(layer, "weights", []), getattr(layer, "trainable_weights", [])
        built = isinstance(layer, InputLayer) or getattr(layer, "built", True)
        row = [
            f"{layer.name} ({_type_name(layer)})",
            _shape_of(layer, shapes),
            f"{sum(v.size for v in weights):,}" if built else "0 (unbuilt)",
        ]
        row += [_sources(graph, layer) if graph is not None else "-"] * connected
        row += ["Y" if trained else "-" if not weights else "N"] * show_trainable
        row += [f"{counts.get(layer.name, 0):,}"] * flops
        rows.append(row)
        if expand_nested and hasattr(layer, "layers"):
            inner = _rows(layer, True, show_trainable, None, False, connected)
            rows += [["    └ " + r[0], *r[1:], *["-"] * flops] for r in inner]
    return rows


def _chosen(layers, layer_range):
    if layer_range is None:
        return layers
    names = [layer.name for layer in layers]
    missing = [n for n in layer_range if n not in names]
    if missing:
        raise ValueError(f"summary: layer_range names {missing}, the layers are {names}")
    return layers[names.index(layer_range[0]) : names.index(layer_range[1]) + 1]


def _readable(count, bytes_each=4):
    size, unit = count * bytes_each, 0
    while size >= 1024 and unit < len(UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.2f} {UNITS[unit]}"


def _totals(model):
    trainable = sum(v.size for v in model.trainable_weights)
    frozen = sum(v.size for v in model.non_trainable_weights)
    built = getattr(model.optimizer, "built", False)
    optimizer = sum(v.size for v in model.optimizer.variables) if built else 0
    rows = [
        ("Total params", trainable + frozen + optimizer),
        ("Trainable params", trainable),
        ("Non-trainable params", frozen),
    ]
    if optimizer:
        rows.append(("Optimizer params", optimizer))
    return [f" {name}: {count:,} ({_readable(count)})" for name, count in rows]
