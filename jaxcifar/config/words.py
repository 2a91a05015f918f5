"""Words, numbers, labels and colours that a page shows in addition to a study's records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from jaxcifar.records import forms

Color = Literal["blue", "vermillion", "green", "purple", "orange", "sky", "brown", "grey"]
"""Okabe and Ito's colours (2008), which colour-blind readers tell apart."""
Dash = Literal["solid", "dashed", "dotted", "dashdot"]
COLORS: tuple[Color, ...] = get_args(Color)
DASHES: tuple[Dash, ...] = get_args(Dash)
LOSS_UNIT = "nats per image"


@dataclass(frozen=True)
class MemberWords:
    """Label, colour and numbers of a member; None is filled in from its config."""

    label: str | None = None
    color: Color | None = None
    dash: Dash | None = None
    reported: Mapping[str, str] = field(default_factory=dict)
    """The text's own numbers: column of the result table -> what it says."""


@dataclass(frozen=True)
class Words:
    """Words and settings of a study's page, stored with its records."""

    name: str
    section: str = ""
    title: str = ""
    says: str = ""
    states: Mapping[str, str] = field(default_factory=dict)
    loss_unit: str = LOSS_UNIT
    log_loss: bool = False
    band_rates: tuple[float, ...] = ()
    source: str = "cifar10"
    """The images that the study asks for."""
    train_size: int | None = None
    test_size: int | None = None
    members: Mapping[str, MemberWords] = field(default_factory=dict)

    def __post_init__(self):
        if not self.title:
            object.__setattr__(self, "title", self.name.replace("_", " ").replace("-", " "))

    @property
    def order(self) -> tuple[Any, ...]:
        """Sorts studies by section: 1.2 before 1.10, 2.4 before 2+; one's own study, which has none, comes last."""
        # `2+` becomes the parts 2 and +, and 1000 puts + after every number.
        parts = tuple(int(part) if part.isdigit() else 1000 for part in self.section.replace("+", ".+").split("."))
        return (not self.section, parts, self.name)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Words:
        """Return what `to_json` gave.

        Raises:
            LookupError, TypeError, AttributeError: the value is of another form.
        """
        members = {member: MemberWords(**words) for member, words in value["members"].items()}
        found = cls(**{**value, "band_rates": tuple(value["band_rates"]), "members": members})
        for made in (found, *members.values()):
            forms.check(made)
        return found
