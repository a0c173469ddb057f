"""Pictures of models: layers as boxes, tensors as arrows, in the language of Graphviz."""

import os

from fastnn.graph.declaration import is_keras_tensor
from fastnn.layers.layer import Layer
from fastnn.tree import flatten

_ADVICE = "install it with `pip install pydot`, and Graphviz from https://graphviz.org"


def dot_text(model, rankdir="TB", expand_nested=False, dpi=200, splines="ortho", **shown):
    """The picture of a model as a Graphviz text; arguments as in `model_to_dot`."""
    lines = [f"graph [rankdir={rankdir}, dpi={int(dpi)}, splines={splines}];", "node [shape=box];"]
    _add(model, "", lines, expand_nested, shown)
    return "digraph model {\n" + "\n".join(f"  {line}" for line in lines) + "\n}\n"


def _add(model, prefix, lines, expand_nested, shown):
    """Write the boxes and arrows of a model; names of boxes begin with a prefix."""
    for operation, sources in _calls(model):
        name = _quoted(f"{prefix}{operation.name}")
        if expand_nested and hasattr(operation, "layers"):
            lines += [f"subgraph {_quoted(f'cluster_{prefix}{operation.name}')} {{", f"label={name};"]
            _add(operation, f"{prefix}{operation.name}/", lines, expand_nested, shown)
            lines.append("}")
        lines.append(f"{name} [label={_quoted(_label(operation, **shown))}];")
        lines += [f"{_quoted(f'{prefix}{source.name}')} -> {name};" for source in sources]


def _calls(model):
    """(operation, the operations whose tensors it takes) in running order, each operation once."""
    if getattr(model, "_graph", None) is None:
        stack = getattr(model, "_stack", None)
        if stack is None:
            raise ValueError(f"{model}: only models made as Model(inputs, outputs) and Sequential can be drawn")
        return [(layer, stack[i - 1 : i] if i else []) for i, layer in enumerate(stack)]
    found = {}
    for node in model._graph.nodes:
        sources = found.setdefault(id(node.operation), (node.operation, {}))[1]
        sources.update({id(t.data.operation): t.data.operation for t in node.inputs})
    return [(operation, list(sources.values())) for operation, sources in found.values()]


def _label(
    operation, show_shapes=False, show_dtype=False, show_layer_names=True, show_layer_activations=False,
    show_trainable=False,
):  # fmt: skip
    kind = type(operation).__name__ if isinstance(operation, Layer) else operation.function.__name__
    lines = [f"{operation.name} ({kind})" if show_layer_names else kind]
    outputs = [t for t in flatten(_outputs(operation)) if is_keras_tensor(t)]
    activation = getattr(operation, "activation", None)
    if show_layer_activations and activation is not None:
        lines.append(f"activation: {getattr(activation, '__name__', type(activation).__name__)}")
    if show_dtype:
        lines.append("dtype: " + ", ".join(t.dtype for t in outputs))
    if show_shapes:
        lines.append("output: " + ", ".join(str(tuple(t.shape)) for t in outputs))
    if show_trainable and isinstance(operation, Layer):
        lines.append("trainable" if operation.trainable else "not trainable")
    return "\n".join(lines)


def _outputs(operation):
    nodes = operation._inbound_nodes
    return nodes[0].outputs if nodes else []


def _quoted(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def model_to_dot(
    model, show_shapes=False, show_dtype=False, show_layer_names=True, rankdir="TB", expand_nested=False, dpi=200,
    subgraph=False, show_layer_activations=False, show_trainable=False, splines="ortho",
):  # fmt: skip
    """The picture of a model for pydot.

    Parameters
    ----------
    model : Sequential or Model of inputs and outputs
    show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable : bool
        What stands in a box.
    rankdir : {"TB", "LR", "BT", "RL"}
        From where to where the arrows point.
    expand_nested : bool
        Show the layers of models in models.
    dpi : int
    subgraph : bool
        Refused: `expand_nested` has that use.
    splines : str
        How Graphviz draws arrows.

    Returns
    -------
    pydot.Dot

    Raises
    ------
    ImportError
        Without pydot.
    ValueError
        For models that do not say how their layers are connected.
    """
    if subgraph:
        raise ValueError("model_to_dot: subgraph=True is not offered: use expand_nested=True")
    text = dot_text(
        model, rankdir, expand_nested, dpi, splines, show_shapes=show_shapes, show_dtype=show_dtype,
        show_layer_names=show_layer_names, show_layer_activations=show_layer_activations, show_trainable=show_trainable,
    )  # fmt: skip
    try:
        import pydot
    except ImportError as error:
        raise ImportError(f"model_to_dot needs pydot: {_ADVICE}") from error
    return pydot.graph_from_dot_data(text)[0]


def plot_model(
    model, to_file="model.png", show_shapes=False, show_dtype=False, show_layer_names=False, rankdir="TB",
    expand_nested=False, dpi=200, show_layer_activations=False, show_trainable=False, splines="ortho",
):  # fmt: skip
    """Write the picture of a model to a file.

    Parameters
    ----------
    to_file : str or os.PathLike
        Its ending says the format: ``.png``, ``.svg``, ``.pdf``.  A ``.dot`` file is text, for which neither pydot nor
        Graphviz is needed.

    Other parameters: see `model_to_dot`.
    """
    shown = {
        "show_shapes": show_shapes, "show_dtype": show_dtype, "show_layer_names": show_layer_names,
        "show_layer_activations": show_layer_activations, "show_trainable": show_trainable,
    }  # fmt: skip
    path = os.fspath(to_file)
    ending = os.path.splitext(path)[1][1:].lower()
    if ending == "dot":
        with open(path, "w", encoding="utf-8") as file:
            file.write(dot_text(model, rankdir, expand_nested, dpi, splines, **shown))
        return
    dot = model_to_dot(model, rankdir=rankdir, expand_nested=expand_nested, dpi=dpi, splines=splines, **shown)
    try:
        dot.write(path, format=ending or "png")
    except FileNotFoundError as error:
        raise OSError(f"plot_model: the program `dot` of Graphviz is missing: {_ADVICE}") from error
