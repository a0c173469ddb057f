"""PyTorch: eager or torch.compile, channels-last memory, fused Adam."""

import torch
from network import same_pads
from torch import nn
from torch.nn import functional as F
from workloads import with_input_shapes

VERSION = torch.__version__
BLOCKS = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2)}  # of Keras' recurrent kernels, in PyTorch's order
ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


class Flatten(nn.Module):
    """In the order height, width, channels: a view of channels-last memory."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class LastState(nn.Module):
    """A recurrent layer's state behind the last element; as in Keras, an LSTM has one bias that is trained."""

    def __init__(self, kind, inputs, units):
        super().__init__()
        self.blocks = BLOCKS[kind]
        self.rnn = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](inputs, units, batch_first=True)
        self.rnn.bias_hh_l0.requires_grad = kind == "gru"

    def forward(self, x):
        return self.rnn(x)[0][:, -1]

    def set_weights(self, kernel, recurrent, bias):
        biases = bias if bias.ndim == 2 else torch.stack([bias, torch.zeros_like(bias)])
        ours = self.rnn.weight_ih_l0, self.rnn.weight_hh_l0, self.rnn.bias_ih_l0, self.rnn.bias_hh_l0
        for weight, theirs in zip(ours, (kernel.T, recurrent.T, *biases), strict=True):
            parts = theirs.chunk(len(self.blocks))
            weight.copy_(torch.cat([parts[i] for i in self.blocks]))


class SelfAttention(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.attention = nn.MultiheadAttention(features, heads, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]

    def set_weights(self, *arrays):
        features = len(arrays[0])
        kernels = [kernel.reshape(features, features).T for kernel in arrays[::2]]
        self.attention.in_proj_weight.copy_(torch.cat(kernels[:3]))
        self.attention.in_proj_bias.copy_(torch.cat([bias.ravel() for bias in arrays[1:6:2]]))
        self.attention.out_proj.weight.copy_(kernels[3])
        self.attention.out_proj.bias.copy_(arrays[7])


class Mean(nn.Module):
    """Over all positions of an image, or elements of a sequence."""

    def forward(self, x):
        return x.mean((2, 3) if x.ndim == 4 else 1)


class Branch(nn.Identity):
    """A fork, a swap or an add."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind


class Network(nn.Sequential):
    def forward(self, x):
        kept = []
        for layer in self:
            if not isinstance(layer, Branch):
                x = layer(x)
            elif layer.kind == "fork":
                kept.append(x)
            elif layer.kind == "swap":
                x, kept[-1] = kept[-1], x
            else:
                x = x + kept.pop()
        return x


class Peer:
    def __init__(self, workload, weights, x, y, variant, threads):
        torch.set_num_threads(threads)
        self.workload = workload
        self.net = network(workload).to(memory_format=torch.channels_last)
        self.set_weights(weights)
        trained = [weight for weight in self.net.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.Adam(trained, lr=1e-3, eps=1e-7, fused=True)
        self.x = torch.from_numpy(x)
        self.y = torch.from_numpy(y).to(torch.float32 if workload.classes <= 2 else torch.int64)
        self.batch = self.x[: workload.batch], self.y[: workload.batch]
        compiled = torch.compile if variant == "compile" else lambda function: function
        self.loss, self.output = compiled(self._loss), compiled(self._output)

    def set_weights(self, weights):
        """Copy from Keras' layouts."""
        with torch.no_grad():
            layers = [layer for layer in self.net if hasattr(layer, "weight") or hasattr(layer, "set_weights")]
            for layer, arrays in zip(layers, [arrays for arrays in weights if arrays], strict=True):
                kernel, *others = (torch.from_numpy(array) for array in arrays)
                if hasattr(layer, "set_weights"):
                    layer.set_weights(kernel, *others)
                    continue
                depthwise = getattr(layer, "groups", 1) > 1
                axes = {2: (1, 0), 4: (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)}.get(kernel.ndim)
                layer.weight.copy_(kernel.permute(axes) if axes else kernel)
                layer.bias.copy_(others[0])
                if len(others) == 3:
                    layer.running_mean.copy_(others[1])
                    layer.running_var.copy_(others[2])

    def _scores(self, x):
        return self.net(x.permute(0, 3, 1, 2) if x.ndim == 4 else x)

    def _loss(self, x, y):
        scores = self._scores(x)
        if self.workload.classes == 0:
            return F.mse_loss(scores, y)
        if self.workload.classes == 2:
            return F.binary_cross_entropy_with_logits(scores.squeeze(1), y)
        return F.cross_entropy(scores, y)

    def _output(self, x):
        scores = self._scores(x)
        classes = self.workload.classes
        return scores if classes == 0 else torch.sigmoid(scores) if classes == 2 else torch.softmax(scores, 1)

    def _step(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def train(self, count):
        self.net.train()
        for _ in range(count):
            loss = self._step(*self.batch)
        return float(loss)

    def fit(self):
        self.net.train()
        total = 0
        for rows in torch.randperm(len(self.x)).split(self.workload.batch):
            total += self._step(self.x[rows], self.y[rows])
        return float(total)

    def forward(self, count):
        self.net.eval()
        with torch.inference_mode():
            for _ in range(count):
                result = self.output(self.batch[0])
        return result.numpy()

    def predict(self, count, x):
        self.net.eval()
        with torch.inference_mode():
            for _ in range(count):
                result = self.output(torch.from_numpy(x)).numpy()
        return result


def network(workload):
    """The layers up to the scores: softmax or sigmoid is part of the loss."""
    layers = []
    for kind, shape, sizes in with_input_shapes(workload):
        layers += list(modules(kind, shape, *sizes))
    return Network(*layers)


def modules(kind, shape, *sizes):
    if kind == "dense":
        yield nn.Linear(shape[-1], sizes[0])
        activation = sizes[1]
    elif kind == "depthwise":
        activation = None
        yield from conv(shape, shape[2], sizes[0], "same", sizes[1], shape[2])
    elif kind == "conv":
        filters, window, activation, padding, stride = sizes
        yield from conv(shape, filters, window, padding, stride)
    else:
        activation = None
        make = {
            "pool": nn.MaxPool2d, "relu": nn.ReLU, "dropout": nn.Dropout, "flatten": Flatten,
            "batch_norm": lambda: nn.BatchNorm2d(shape[2], eps=1e-3, momentum=0.01), "mean": Mean,
            "layer_norm": lambda: nn.LayerNorm(shape[-1], eps=1e-3), "fork": lambda: Branch("fork"),
            "swap": lambda: Branch("swap"), "add": lambda: Branch("add"),
            "attention": lambda heads: SelfAttention(shape[-1], heads),
            "lstm": lambda units: LastState("lstm", shape[1], units),
            "gru": lambda units: LastState("gru", shape[1], units),
        }  # fmt: skip
        yield make[kind](*sizes)
    if activation in ACTIVATIONS:
        yield ACTIVATIONS[activation]()


def conv(shape, filters, window, padding, stride, groups=1):
    """PyTorch pads both ends alike; where Keras does not, and the stride is not 1, with a layer of its own."""
    if padding == "same" and stride > 1:
        rows, columns = same_pads(shape, window, stride)
        if any(rows + columns):
            yield nn.ZeroPad2d((*columns, *rows))
        padding = "valid"
    yield nn.Conv2d(shape[2], filters, window, stride, padding, groups=groups)
