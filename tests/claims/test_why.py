"""The numbers that explain a claim, and where the page shows them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from synthetic import Member, study, text_of, write_study

from jaxcifar.claims.why import why
from jaxcifar.config import SGD, Run, shipped
from jaxcifar.report.page import write_report


def members() -> dict[str, Member]:
    own = shipped.find("gradients")
    assert own is not None
    found = {}
    for member in own.members():
        steps = {"beta/same_batch": 40.0, "step_reliability/gradient_change/0.1": 0.5, "gamma_over_sigma/conv1_1": 2.0}
        values = {name: np.full(60, value) for name, value in steps.items()}
        found[member.name] = Member(run=member.run, steps=values, own_epochs=True)
    found["vgg-a-sgd"].train_loss = 2.3025
    return found


def test_numbers_that_are_on_record_explain(tmp_path: Path):
    numbers = why(study(tmp_path, "gradients", members()))
    assert not any("safe" in number.quantity for number in numbers)
    values = {(number.quantity, number.label): number.values for number in numbers}
    rate = {label: value for (quantity, label), value in values.items() if quantity == "median β times rate"}
    assert sorted({round(value, 6) for (value,) in rate.values()}) == [0.04, 0.4]
    assert len(rate) == 7  # the network on its plateau has no smoothness to tell
    assert next(iter(v for (q, _), v in values.items() if q.startswith("γ/σ"))) == pytest.approx((2.0,))


def test_the_page_says_why(tmp_path: Path):
    write_study(tmp_path, "gradients", members())
    assert "median β times rate" in text_of(write_report(tmp_path))


def test_a_network_at_three_rates_tells_its_usable_decades(tmp_path: Path):
    ends = {("plain", 0.01): 0.5, ("plain", 0.1): 2.0, ("plain", 1.0): 2.3}
    ends |= {("normed", 0.01): 0.5, ("normed", 0.1): 0.45, ("normed", 1.0): 0.52, ("two", 0.1): 0.5, ("two", 1.0): 0.5}
    runs = {
        f"{name}-learning-rate-{rate:g}": Member(run=Run(optimizer=SGD(learning_rate=rate)), train_loss=loss)
        for (name, rate), loss in ends.items()
    }
    numbers = {number.label: number for number in why(study(tmp_path, "s", runs))}
    assert {label: number.values for label, number in numbers.items()} == {"normed": (2.0,), "plain": (0.0,)}
    assert all(number.unit == "decades" for number in numbers.values())


def test_a_study_that_is_not_whole_tells_no_usable_decades(tmp_path: Path):
    runs = {
        f"normed-learning-rate-{rate:g}": Member(run=Run(optimizer=SGD(learning_rate=rate)), train_loss=0.5)
        for rate in (0.01, 0.1, 1.0)
    }
    found = study(tmp_path, "s", runs)
    first, *others = found.runs
    assert why(dataclasses.replace(found, runs=(dataclasses.replace(first, records=None), *others))) == ()
