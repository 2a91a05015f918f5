"""A study: a base run, its variants and swept numbers, what the text says of it, and its claims."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from jaxcifar.config.network import INITIALIZATIONS
from jaxcifar.config.paths import apply_changes
from jaxcifar.config.run import Run
from jaxcifar.config.words import COLORS, DASHES, LOSS_UNIT, Color, Dash, MemberWords, Words
from jaxcifar.errors import UserError, check_choice, check_count, several
from jaxcifar.records.restart import check_free

if TYPE_CHECKING:
    from jaxcifar.claims.evidence import Evidence
    from jaxcifar.records.study import StudyResults


@dataclass(frozen=True)
class Claim:
    """A statement about a study's results, and how it is judged."""

    statement: str
    """A sentence of the text."""
    definition: str
    """The statement in numbers, for readers."""
    judge: Callable[[StudyResults], Evidence]
    """The evidence in the records; `jaxcifar.claims` has the parts to put it together from."""
    members: tuple[str, ...] = ()
    """Members that it is about, where they are not all: a size that leaves one of them out leaves the claim out."""

    def __post_init__(self):
        if not callable(self.judge):
            raise UserError(
                f"The claim {self.statement!r} has the judge {self.judge!r}; give a function of the study's results, "
                "such as compare(…) of jaxcifar.claims makes."
            )


@dataclass(frozen=True)
class Variant:
    """A member of a study: its name, what it changes in the base run by dotted path, and how it is shown."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
    """What readers see; made from the config where it is not given."""
    color: Color | None = None
    dash: Dash | None = None
    reported: Mapping[str, str] = field(default_factory=dict)
    """The text's own numbers: column of the result table -> what it says, such as `best` -> `71%`."""

    def __post_init__(self):
        for name, value, allowed in (("color", self.color, COLORS), ("dash", self.dash, DASHES)):
            if value is not None and value not in allowed:
                raise UserError(f"Variant {self.name!r} has {name} {value!r}; allowed are {', '.join(allowed)}.")


@dataclass(frozen=True)
class Size:
    """A smaller form of a study that decides its claims on less hardware; every verdict names the size."""

    changes: Mapping[str, Any]
    """Dotted path -> value, in the base and in every variant; `model.` paths only where the network is of the base's
    class."""
    seeds: int
    """Number of seeds for every member."""
    hours: float
    """Estimated time of the whole study at this size, on the hardware that the size is named after."""
    why: str
    """Why the size is enough to decide the claims."""
    sweep: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Swept values in place of the study's own, by dotted path."""
    without: tuple[str, ...] = ()
    """Variants that are left out."""


Vectorize = Literal["auto", "vmap", "map", "off"]
Picture = Literal["samples", "architecture", "gradients", "features", "predictions"]


@dataclass(frozen=True)
class Member:
    """A run of a study, before seeds: a variant at one value of each swept number."""

    name: str
    """Also the name of its folder."""
    run: Run
    words: MemberWords


@dataclass(frozen=True)
class Study:
    """A base run, its variants, and plain numbers that are swept in one program; alone the base run is trained."""

    name: str
    base: Run
    variants: tuple[Variant, ...] = ()
    """None: the base run alone, under its own name."""
    varies: tuple[str, ...] = ()
    """The quantities that the study compares; a flag for one of them is refused."""
    sweep: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Dotted path of a plain number to its values; every variant trains all of them as one program."""
    seeds: tuple[int, ...] = (0,)
    vectorize: Vectorize = "auto"
    alone: bool = False
    """Members are compared by seconds, so each trains alone."""
    pictures: tuple[Picture, ...] = ()
    """What is computed once the members have trained: `samples` of each class, the `architecture` as a table and
    drawings, `gradients` by layer and depth, first filters and `features` of an image, and what each member's first run
    answers on the test images, `predictions`, which a single run always has."""
    section: str = ""
    """Of the text, such as `1.2`; a study with a section is part of the paper."""
    title: str = ""
    says: str = ""
    """What the text did and saw, in plain words."""
    states: Mapping[str, str] = field(default_factory=dict)
    """The settings that the text states, by the name in the table of settings; the others are our choice."""
    reported: Mapping[str, str] = field(default_factory=dict)
    """The text's own numbers for the base run, where there are no variants; see `Variant.reported`."""
    claims: tuple[Claim, ...] = ()
    loss_unit: str = LOSS_UNIT
    """Unit of the losses in the figures."""
    log_loss: bool = False
    """Whether losses have a logarithmic axis."""
    band_rates: tuple[float, ...] = ()
    """Learning rates of the figure of the loss band; all where empty."""
    sizes: Mapping[str, Size] = field(default_factory=dict)
    """Smaller forms of the study by name, for `--size`: `cpu` is for two cores."""
    size: str = ""
    """The size that this study has; empty for the full one."""

    def __post_init__(self):
        for name in ("variants", "seeds", "pictures", "varies", "claims", "band_rates"):
            object.__setattr__(self, name, several(name, getattr(self, name)))
        object.__setattr__(self, "sweep", {name: several(name, values) for name, values in self.sweep.items()})
        check_choice("vectorize", self.vectorize, Vectorize)
        for name, values in {"seeds": self.seeds, **self.sweep}.items():
            if not all(isinstance(value, int | float) for value in values):
                raise UserError(f"Study {self.name!r} has {name} {values}; each must be a number.")
            if not values or len({f"{value:g}" for value in values}) < len(values):
                raise UserError(
                    f"Study {self.name!r} has {name} {values}; give at least one, and each once in six digits, since "
                    "folders are named by them."
                )
        # Seed 0 is the default, so it does not show that somebody chose it.
        if self.base.seed not in (0, *self.seeds):
            raise UserError(
                f"Study {self.name!r} has a base with seed {self.base.seed} and seeds {self.seeds}; give the seed in "
                "seeds."
            )
        for picture in self.pictures:
            check_choice("pictures", picture, Picture)
        wrong = next((claim for claim in self.claims if not isinstance(claim, Claim)), None)
        if wrong is not None:
            raise UserError(f"Study {self.name!r} has the claim {wrong!r}; each must be made by Claim.")
        names = [variant.name for variant in self._variants]
        for name in names:
            check_free(f"Study {self.name!r} has the variant", name)
        if len(set(names)) < len(names):
            raise UserError(f"Study {self.name!r} has two variants of one name in {names}; names must differ.")
        given = [variant.label for variant in self._variants if variant.label]
        if twice := next((label for label in given if given.count(label) > 1), None):
            raise UserError(f"Study {self.name!r} has two variants with the label {twice!r}; labels must differ.")
        # The results are dropped: a change that does not apply is refused here, before any training.
        for variant in self._variants:
            apply_changes(self.base, variant.changes)
        # Each size is built once for its checks; a study that has a size would build itself without end.
        if not self.size:
            for name in self.sizes:
                self.sized(name)

    def sized(self, name: str) -> Study:
        """Return the study at one of its sizes.

        Raises:
            UserError: the study has no such size, or a change does not apply.
        """
        if self.size == name:
            return self
        if self.size:
            raise UserError(
                f"The size {name!r} was asked of the study {self.name!r}, which has the size {self.size!r} already; "
                "leave --size out."
            )
        if name not in self.sizes:
            known = ", ".join(self.sizes)
            way_out = f"it has {known}" if known else "it has only its full size"
            raise UserError(f"--size is {name!r}, which the study {self.name!r} does not have; {way_out}.")
        size = self.sizes[name]
        names = [variant.name for variant in self.variants]
        for variant in size.without:
            if variant not in names:
                raise UserError(f"Size {name!r} of {self.name!r} leaves out {variant!r}; it has {', '.join(names)}.")
        check_count(f"seeds of size {name!r} of {self.name!r}", size.seeds, 1, 10_000)
        return dataclasses.replace(
            self,
            base=apply_changes(self.base, size.changes),
            variants=tuple(self._at(variant, size) for variant in self.variants if variant.name not in size.without),
            sweep={**self.sweep, **size.sweep},
            seeds=tuple(range(size.seeds)),
            claims=tuple(claim for claim in self.claims if not set(claim.members) & set(size.without)),
            size=name,
        )

    def _at(self, variant: Variant, size: Size) -> Variant:
        """The variant with a size's changes put last, so that they win."""
        kind = type(apply_changes(self.base, variant.changes).model)
        own = {
            path: value
            for path, value in size.changes.items()
            if not path.startswith("model.") or kind is type(self.base.model)
        }
        kept = {path: value for path, value in variant.changes.items() if path not in own}
        return dataclasses.replace(variant, changes={**kept, **own})

    @property
    def size_title(self) -> str:
        """The size for readers: `size cpu (VGG-A of width 16, 10,000 images, 15 epochs)`; empty at full size."""
        if not self.size:
            return ""
        epochs = sorted({member.run.epochs for member in self.members()})
        span = f"{epochs[0]} to {epochs[-1]}" if len(epochs) > 1 else str(epochs[0])
        images = self.base.data.train_size
        number = f"{images:,}" if images else "all"
        model = self.base.model
        own = self.sizes[self.size].changes.get("model.initialization")
        start = f" with {INITIALIZATIONS[own]} initialisation" if own else ""
        return f"size {self.size} ({model.title}{start}, {number} images, {span} epoch{'s' * (span != '1')})"

    @property
    def is_single(self) -> bool:
        """Whether it is one run, whose records go into OUT itself."""
        return not self.variants and not self.sweep and len(self.seeds) == 1

    def members(self) -> list[Member]:
        """Return the runs before seeds, variants x swept values, in order."""
        names, found = list(self.sweep), []
        for variant, chosen in itertools.product(self._variants, itertools.product(*self.sweep.values())):
            swept = dict(zip(names, chosen, strict=True))
            suffix = "".join(f"-{name.split('.')[-1].replace('_', '-')}-{value:g}" for name, value in swept.items())
            run = apply_changes(self.base, {**variant.changes, **swept})
            label = _label(variant.label, swept)
            words = MemberWords(label, variant.color, variant.dash, dict(variant.reported))
            found.append(Member(variant.name + suffix, dataclasses.replace(run, name=variant.name + suffix), words))
        return found

    @property
    def own_labels(self) -> dict[str, str]:
        """The labels that the study's variants give themselves, by member."""
        return {member.name: member.words.label for member in self.members() if member.words.label}

    @property
    def words(self) -> Words:
        """Words, labels and colours that a page shows in addition to the records."""
        return Words(
            name=self.name,
            section=self.section,
            title=self.title,
            says=self.says,
            states=dict(self.states),
            loss_unit=self.loss_unit,
            log_loss=self.log_loss,
            band_rates=self.band_rates,
            source=self.base.data.source,
            # Of members that differ in it, the fewest: fewer than these are a scaled study's.
            train_size=min((member.run.data.train_size for member in self.members()), key=_count),
            test_size=min((member.run.data.test_size for member in self.members()), key=_count),
            members={member.name: member.words for member in self.members()},
        )

    @property
    def _variants(self) -> tuple[Variant, ...]:
        return self.variants or (Variant(self.base.name, reported=self.reported),)


def _count(images: int | None) -> float:
    """A number of images, where None is all of them."""
    return math.inf if images is None else images


def _label(label: str | None, swept: Mapping[str, float]) -> str | None:
    """A variant's own label with the swept values: `Nesterov, rate 0.1`."""
    if label is None or not swept:
        return label
    words = {path: path.split(".")[-1].replace("learning_rate", "rate").replace("_", " ") for path in swept}
    return ", ".join((label, *(f"{words[path]} {value:g}" for path, value in swept.items())))
