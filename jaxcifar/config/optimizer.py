"""The optimizers, with PyTorch's meaning and defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, get_args

from jaxcifar.config.own import NOT_STORED, Description, Digest, Hidden, name_of, named, source_sha256
from jaxcifar.config.schedule import Constant, Schedule
from jaxcifar.errors import UserError, check_count, check_number, slips_told


@dataclass(frozen=True)
class _Optimizer:
    """Fields of every optimizer."""

    learning_rate: float = 1e-2
    weight_decay: float = 0.0
    schedule: Schedule = field(default_factory=Constant)

    @property
    def title(self) -> str:
        """The optimizer's name for readers."""
        return type(self).__name__

    @property
    def slots(self) -> int:
        """Number of arrays that the optimizer keeps per parameter."""
        raise NotImplementedError

    @property
    def stable_curvature(self) -> float | None:
        """Largest curvature at which full-batch steps at this learning rate are stable; None where none is known."""
        return None

    def __post_init__(self):
        if not isinstance(self.schedule, Schedule):
            allowed = ", ".join(kind.__name__ for kind in get_args(Schedule))
            raise UserError(f"optimizer.schedule is {self.schedule!r}; it must be made by one of {allowed}.")
        # Rate 0 is allowed: the landscape measures have an exact answer there.
        check_number("optimizer.learning_rate", self.learning_rate, 0)
        check_number("optimizer.weight_decay", self.weight_decay, 0)
        for name, high in _OPTIMIZER_RANGES.items():
            if hasattr(self, name):
                value = getattr(self, name)
                check_number(f"optimizer.{name}", value, 0, high)
                if value == 1:
                    raise UserError(f"optimizer.{name} is 1; it must be below 1.")


_BELOW_ONE = ("momentum", "other_momentum", "beta1", "beta2", "rho")
_OPTIMIZER_RANGES = {**dict.fromkeys(_BELOW_ONE, 1.0), "epsilon": math.inf}


@dataclass(frozen=True)
class SGD(_Optimizer):
    """Stochastic gradient descent; weight decay is added to the gradient before momentum, as in PyTorch."""

    momentum: float = 0.0
    nesterov: bool = False
    bias_factor: float = 1.0
    """Factor on the learning rate of the normalisations' biases; their weight decay is divided by it."""

    def __post_init__(self):
        super().__post_init__()
        # Above 0, because the biases' weight decay is divided by it.
        check_number("optimizer.bias_factor", self.bias_factor, 0, above=True)
        if self.nesterov and self.momentum == 0:
            raise UserError("optimizer.nesterov is on with momentum 0; give optimizer.momentum above 0.")

    @property
    def slots(self) -> int:
        """Number of arrays that the optimizer keeps per parameter."""
        return 1 if self.momentum else 0

    @property
    def stable_curvature(self) -> float | None:
        """Return 2(1+μ)/η, with Nesterov's momentum 2(1+μ)/(η(1+2μ)); None at rate 0."""
        if self.learning_rate == 0:
            return None
        return 2 * (1 + self.momentum) / (self.learning_rate * (1 + 2 * self.momentum * self.nesterov))


@dataclass(frozen=True)
class Adagrad(_Optimizer):
    """Duchi et al. 2011: g / (sqrt(s) + epsilon), where the accumulator s starts at 0, as in PyTorch."""

    epsilon: float = 1e-10

    @property
    def slots(self) -> int:
        """Number of arrays that the optimizer keeps per parameter."""
        return 1


@dataclass(frozen=True)
class Adadelta(_Optimizer):
    """Zeiler 2012, arXiv 1212.5701, with PyTorch's default values."""

    learning_rate: float = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6

    @property
    def slots(self) -> int:
        """Number of arrays that the optimizer keeps per parameter."""
        return 2


@dataclass(frozen=True)
class Adam(_Optimizer):
    """Kingma and Ba 2015, arXiv 1412.6980; weight decay is added to the gradient, as in PyTorch."""

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    @property
    def slots(self) -> int:
        """Number of arrays that the optimizer keeps per parameter."""
        return 2


@dataclass(frozen=True)
class AdamW(Adam):
    """Loshchilov and Hutter 2019, arXiv 1711.05101; decoupled weight decay, PyTorch's 0.01."""

    weight_decay: float = 1e-2


@dataclass(frozen=True)
class Muon(_Optimizer):
    """Jordan et al. 2024: a kernel moves along its Nesterov momentum, as a matrix [k k C, F] made nearly orthogonal.

    All other parameters, including the output layer's kernel, are trained by SGD with Nesterov momentum. The factors
    multiply a learning rate and divide its weight decay, so that all parameters decay equally.
    """

    learning_rate: float = 0.02
    momentum: float = 0.95
    iterations: int = 5
    """Newton-Schulz iterations."""
    normalize: bool = False
    """After each step, scale a kernel with F outputs to the norm sqrt(F); BatchNorm after it undoes any scale."""
    other_momentum: float = 0.85
    """Momentum of the other parameters."""
    bias_factor: float = 1.0
    """Factor on the learning rate of biases and of the normalisations' scales."""
    output_factor: float = 1.0
    """Factor on the learning rate of the output layer's kernel."""

    def __post_init__(self):
        super().__post_init__()
        check_count("optimizer.iterations", self.iterations, 1, 20)
        check_number("optimizer.bias_factor", self.bias_factor, 0, above=True)
        check_number("optimizer.output_factor", self.output_factor, 0, above=True)

    @property
    def slots(self) -> int:
        """Number of arrays that the optimizer keeps per parameter."""
        return 1


@dataclass(frozen=True)
class Optax(_Optimizer):
    """An optimizer of Optax, or of your own that is made like those: `factory(learning_rate, **arguments)`.

    Args:
        factory: such as `optax.lion`; called at every step with that step's learning rate.
        arguments: further arguments of the factory, such as `{"b1": 0.95}`, weight decay included.

    The other fields describe them in records, which never name code that is then run.
    """

    learning_rate: float = 1e-3
    factory: Hidden = field(default=None, compare=False, repr=False, metadata=NOT_STORED)
    arguments: Hidden = field(default=None, compare=False, repr=False, metadata=NOT_STORED)
    factory_name: Description = ""
    factory_arguments: Description = ""
    source_sha256: Digest = None

    def __post_init__(self):
        super().__post_init__()
        if self.weight_decay:
            raise UserError(
                f"optimizer.weight_decay is {self.weight_decay:g} with Optax, whose factory has its own name for it; "
                "give it in arguments."
            )
        if self.factory is None:
            return
        if not callable(self.factory):
            raise UserError(f"Optax got the factory {self.factory!r}; give a function such as optax.lion.")
        object.__setattr__(self, "factory_name", name_of(self.factory))
        object.__setattr__(self, "factory_arguments", named(self.arguments or {}, f"Optax({self.factory_name})"))
        object.__setattr__(self, "source_sha256", source_sha256(self.factory))

    @property
    def title(self) -> str:
        """The optimizer's name for readers."""
        return self.factory_name

    @property
    def slots(self) -> int:
        """Number of arrays that the optimizer keeps per parameter."""
        import jax

        weight = jax.ShapeDtypeStruct((8, 8), "float32")
        state = jax.eval_shape(lambda w: self.made(1.0).init({"kernel": w}), weight)
        # Arrays of the weight's size are counted; a step count or another scalar is not.
        return sum(leaf.size == 64 for leaf in jax.tree.leaves(state))

    def made(self, learning_rate: Any) -> Any:
        """Return the factory's `optax.GradientTransformation`.

        Raises:
            UserError: this was read from a record, which holds no code, or the factory fails or returns anything else.
        """
        if self.factory is None:
            raise UserError(
                f"The optimizer {self.factory_name} is a user's own, which a record describes but does not hold; give "
                "its config file, or the run, again."
            )
        with slips_told(f"Optax({self.factory_name})"):
            made = self.factory(learning_rate, **(self.arguments or {}))
        if not hasattr(made, "init") or not hasattr(made, "update"):
            raise UserError(f"Optax({self.factory_name}) made {made!r}; it must make an optax.GradientTransformation.")
        return made


Optimizer = SGD | Adagrad | Adadelta | Adam | AdamW | Muon | Optax
