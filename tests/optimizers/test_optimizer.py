"""The base class: order of operations, the flat pass, learning rates, variables, configurations."""

import cases
import numpy as np
import pytest

import fastnn
import fastnn.optimizers as optimizers
from fastnn import ops
from fastnn.graph.program import Program
from fastnn.optimizers import SGD, Adam, Optimizer, schedules
from fastnn.variable import Variable

OTHERS = {
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Optimizer",
    "OptimizerMap",
    "deserialize",
    "get",
    "schedules",
    "serialize",
}
CLASSES = sorted(set(optimizers.__all__) - OTHERS)


class KerasStyle(Optimizer):
    """Written as for Keras: lists of variables, found by index."""

    def __init__(self, learning_rate=0.1, momentum=0.9, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum

    def build(self, variables):
        super().build(variables)
        self.momentums = [self.add_variable_from_reference(v, name="momentum") for v in variables]
        self.product = Variable(1.0, name="product")

    def update_step(self, gradient, variable, learning_rate):
        learning_rate = ops.cast(learning_rate, variable.dtype)
        m = self.momentums[self._get_variable_index(variable)]
        self.assign(m, ops.subtract(ops.multiply(m, self.momentum), ops.multiply(gradient, learning_rate)))
        self.assign_add(variable, m)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}


# --- the flat pass ---------------------------------------------------------------------------------------


def count_update_steps(optimizer, monkeypatch):
    seen = []
    original = type(optimizer).update_step

    def counted(self, gradient, variable, learning_rate):
        seen.append(variable)
        original(self, gradient, variable, learning_rate)

    monkeypatch.setattr(type(optimizer), "update_step", counted)
    return seen


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("traced", [False, True])
def test_one_update_for_all_variables_gives_the_same_bits(name, traced, trainer, monkeypatch):
    flat, single = (getattr(optimizers, name)(0.01, use_ema=True, weight_decay=0.01) for _ in range(2))
    single.elementwise = False
    seen = count_update_steps(flat, monkeypatch)
    a = trainer().steps(flat, traced=traced)
    assert all(v.shape == ((32,) if flat.elementwise else v.shape) for v in seen)
    assert len(seen) == (1 if flat.elementwise else 2) * (1 if traced else 3)
    b = trainer().steps(single, traced=traced)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)
    for x, y in zip(flat.variables, single.variables, strict=True):
        np.testing.assert_array_equal(x.value, y.value)
        assert np.isfinite(x.storage.flat).all()


@pytest.mark.parametrize("name", CLASSES)
def test_gaps_between_variables_stay_zero(name, trainer):
    made = trainer()
    made.steps(getattr(optimizers, name)())
    for storage in {id(v.storage): v.storage for v in made.variables}.values():
        gaps = np.ones(storage.size, bool)
        for variable, offset in zip(storage.variables, storage.offsets, strict=True):
            gaps[offset : offset + variable.size] = False
        assert not storage.flat[gaps].any()


def test_program_has_one_elementwise_pass_over_the_weights(trainer):
    made, optimizer = trainer(), Adam()
    optimizer.build(made.variables)
    program = made.trace(optimizer)
    wide = [i.primitive.name for i in program.instructions if i.outputs[0].shape == (32,)]
    assert wide.count("pack") == 1
    assert len(wide) <= 12
    assert [v.shape for v in program.updates] == [(32,)] * 3


def test_constraint_is_applied_after_each_update(trainer):
    for traced in (False, True):
        made = trainer()
        made.variables[0].constraint = lambda w: ops.maximum(w, 0.0)
        kernel, bias = made.steps(SGD(0.5), traced=traced)
        assert kernel.min() == 0
        assert bias.min() < 0


def test_excluded_variables_do_not_decay():
    kernel, bias = Variable(np.ones(2), name="kernel"), Variable(np.ones(2), name="bias")
    optimizer = SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([np.zeros(2), np.zeros(2)], [kernel, bias])
    np.testing.assert_allclose(kernel.value, 0.75)
    np.testing.assert_array_equal(bias.value, 1)
    with pytest.raises(ValueError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_list=[kernel])


@pytest.mark.parametrize("traced", [False, True])
def test_clipnorm_holds_for_each_accumulated_gradient(traced, trainer):
    a, b = trainer(), trainer()
    before = [v.numpy() for v in b.variables]
    result = a.steps(SGD(1.0, clipnorm=0.1, gradient_accumulation_steps=2), 2, traced)
    sums = [b.draw(v.shape) for v in b.variables]
    sums = [s + b.draw(v.shape) for s, v in zip(sums, b.variables, strict=True)]
    for w, w0, s in zip(result, before, sums, strict=True):
        mean = s / 2
        np.testing.assert_allclose(w, w0 - mean * min(1, 0.1 / np.linalg.norm(mean)), rtol=1e-5, atol=1e-6)


# --- one step --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("traced", [False, True])
def test_optimizer_in_keras_style(traced, trainer):
    ours = trainer().steps(SGD(0.1, momentum=0.9), traced=traced)
    theirs = trainer().steps(KerasStyle(), traced=traced)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_subclass_with_its_own_update_step_leaves_the_flat_pass():
    class Signed(SGD):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, ops.sign(gradient) * learning_rate)

    assert SGD.elementwise
    assert not Signed.elementwise


def test_missing_gradient_leaves_the_variable_alone():
    used, unused = Variable(np.ones(2), name="used"), Variable(np.ones(2), name="unused")
    optimizer = Adam(0.5)
    with pytest.warns(UserWarning, match="does not depend on the variables unused"):
        optimizer.apply([np.ones(2), None], [used, unused])
    np.testing.assert_allclose(used.value, 0.5, rtol=2e-5)
    np.testing.assert_array_equal(unused.value, 1)
    with pytest.raises(ValueError, match="depends on none of the variables used, unused"):
        optimizer.apply([None, None])


def test_steps_are_counted():
    variable = Variable(1.0)
    optimizer = SGD(0.5)
    assert optimizer.apply_gradients([(1.0, variable)]) is optimizer.iterations
    optimizer.apply([1.0])
    optimizer.apply([])
    assert int(optimizer.iterations) == 2
    assert float(variable) == 0


def test_program_counts_steps_even_if_nothing_depends_on_them():
    variable, optimizer = Variable(1.0), SGD(0.5)
    with Program() as program:
        optimizer.apply([program.input(())], [variable])
    assert program.counter.data is optimizer.iterations
    assert optimizer.iterations not in program.updates


def test_a_users_gradient_array_is_not_written_to(trainer):
    made = trainer()
    gradients = [made.draw(v.shape) for v in made.variables]
    copies = [g.copy() for g in gradients]
    for g in gradients:
        g.flags.writeable = False
    Adam(clipvalue=0.1).apply(gradients, made.variables)
    for g, c in zip(gradients, copies, strict=True):
        np.testing.assert_array_equal(g, c)


@pytest.mark.parametrize(
    ("grads", "variables", "message"),
    [
        ([np.ones(2)], None, "build"),
        ([np.ones(2), np.ones(2)], [Variable(np.ones(2))], "2 gradients for 1 variables"),
        ([np.ones(3)], [Variable(np.ones(2), name="w")], r"'w'.*\(2,\).*\(3,\)"),
    ],
)
def test_apply_refuses(grads, variables, message):
    with pytest.raises(ValueError, match=message):
        SGD().apply(grads, variables)


def test_apply_refuses_unknown_variables():
    optimizer = SGD()
    optimizer.build([Variable(1.0)])
    with pytest.raises(ValueError, match=r"'other'.*new optimizer"):
        optimizer.apply([1.0], [Variable(1.0, name="other")])


# --- learning rate ---------------------------------------------------------------------------------------


def test_learning_rate_can_be_set_between_runs_of_a_program(trainer):
    made, optimizer = trainer(), SGD(0.0)
    before = [v.numpy() for v in made.variables]
    after = made.steps(optimizer, traced=True)
    np.testing.assert_array_equal(before[0], after[0])
    optimizer.learning_rate = 0.5
    assert float(optimizer.learning_rate) == 0.5
    assert (made.steps(optimizer, traced=True)[0] != before[0]).any()


def test_schedule_cannot_be_set_to_a_number_but_replaced():
    optimizer = SGD(schedules.ExponentialDecay(0.1, 1, 0.5))
    with pytest.raises(TypeError, match="cannot be set"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = schedules.ExponentialDecay(0.4, 1, 0.5)
    optimizer.apply([1.0], [Variable(1.0)])
    assert float(optimizer.learning_rate) == pytest.approx(0.2)
    number = SGD(0.1)
    number.learning_rate = optimizer._learning_rate
    assert [v.name for v in number.variables] == ["iteration"]


def test_callable_learning_rate():
    variable = Variable(1.0)
    SGD(lambda: 0.25).apply([1.0], [variable])
    assert float(variable) == 0.75


@pytest.mark.parametrize("rate", ["0.1", None, True, [0.1]])
def test_learning_rate_must_be_a_number(rate):
    with pytest.raises(ValueError, match="learning_rate must be a number"):
        Adam(rate)


# --- arguments, configurations, state --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "only one of clipnorm, clipvalue"),
        ({"use_ema": True, "ema_momentum": 2}, "ema_momentum"),
        ({"use_ema": True, "ema_overwrite_frequency": 0.5}, "ema_overwrite_frequency"),
        ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps"),
        ({"momentum": 2.0}, "momentum"),
        ({"epsilom": 1}, "epsilom"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        SGD(**options)


def test_decay_is_ignored_with_a_warning():
    with pytest.warns(UserWarning, match="decay is ignored"):
        SGD(decay=0.1)


@pytest.mark.parametrize("case", cases.OPTIMIZERS, ids=lambda c: c.name)
def test_config_round_trip(case):
    optimizer = case.make(fastnn)
    config = optimizers.serialize(optimizer)
    again = optimizers.deserialize(config)
    assert type(again) is type(optimizer)
    assert optimizers.serialize(again) == config
    assert type(optimizer).from_config(optimizer.get_config()).get_config() == optimizer.get_config()


def test_get():
    assert optimizers.get(None) is None
    for name in ("adam", "Adam", "ADAM"):
        assert type(optimizers.get(name)) is Adam
    for name in CLASSES:
        assert type(optimizers.get(name.lower())).__name__ == name
    instance = SGD()
    assert optimizers.get(instance) is instance
    with pytest.raises(ValueError, match=r"(?i)did you mean.*adam"):
        optimizers.get("adan")
    with pytest.raises(ValueError, match="optimizer"):
        optimizers.get(print)


def test_state_is_kept_by_position(trainer):
    a, b = trainer(), trainer()
    first, second = Adam(), Adam()
    a.steps(first)
    second.build(b.variables)
    store = {}
    first.save_own_variables(store)
    second.load_own_variables(store)
    for x, y in zip(first.variables, second.variables, strict=True):
        np.testing.assert_array_equal(x.value, y.value)
    with pytest.warns(UserWarning, match="not loaded"):
        SGD().load_own_variables(store)
    second.set_weights([np.zeros(v.shape) for v in second.variables])
    assert not any(v.value.any() for v in second.variables)
    with pytest.raises(ValueError, match="build"):
        SGD().set_weights([])


def test_variables_set_as_attributes_are_saved_too(trainer):
    optimizer = KerasStyle()
    optimizer.build(trainer().variables)
    assert [v.name for v in optimizer.variables] == [
        "iteration", "learning_rate", "kernel_momentum", "bias_momentum", "product",
    ]  # fmt: skip


def test_custom_initializer():
    optimizer = SGD()
    assert optimizer.add_variable((2,), "ones", name="u").value.tolist() == [1, 1]
    assert optimizer.variables[-1].path == f"{optimizer.name}/u"
