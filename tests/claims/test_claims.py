"""Every claim on records with known answers, both ways; and what leaves a claim open."""

from __future__ import annotations

import dataclasses
import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic
from synthetic import Member as M
from synthetic import write_run, write_study

from jaxcifar import records
from jaxcifar.claims import (
    Evidence,
    Judged,
    Quantity,
    alike,
    at_least,
    best_accuracy,
    both,
    compare,
    epochs_to_common_level,
    every_run,
    first_over_last_gradient,
    grows,
    judge,
    last,
    lowered_by_norm,
    over_steps,
    ratio,
)
from jaxcifar.claims.bands import band_width, usable_decades
from jaxcifar.claims.comparisons import Fact, Order, pointing
from jaxcifar.claims.decisions import all_of, decide_all
from jaxcifar.claims.evidence import Missing
from jaxcifar.claims.numbers import _check_trained, number
from jaxcifar.claims.quantities import _first_epoch, least, mean, oscillation, rise, share_of_guessing
from jaxcifar.claims.together import decided_together
from jaxcifar.config import CNN, MSE, SGD, Claim, CrossEntropy, Data, Run, Study, UserError, Variant, shipped
from jaxcifar.config.stored import read_records, read_studies
from jaxcifar.measures import Beta, NoiseFloor
from jaxcifar.records import pictures, snapshots
from jaxcifar.records.files import finite
from jaxcifar.records.study import StudyResults, Wanted
from jaxcifar.runner import residual_blocks
from jaxcifar.runner.pictures import decided_untrained
from jaxcifar.runner.plan import make_plan

RISING = [0.3, 0.4, 0.5, 0.6, 0.65, 0.7]
SLOW = [0.1, 0.2, 0.3, 0.4, 0.5, 0.7]
STEADY = [0.1, 0.2, 0.3, 0.7, 0.71, 0.72, 0.73, 0.74]
SHAKY = [0.1, 0.2, 0.3, 0.7, 0.6, 0.75, 0.55, 0.74]
FALLING = [2.0, 1.5, 1.0, 0.8, 0.7, 0.6]
LATE = [2.2, 2.1, 2.0, 1.5, 1.0, 0.6]
LOW, HIGH = "-learning-rate-0.01", "-learning-rate-0.1"
BATCHES = ("batch-4", "batch-128", "batch-256")
DEPTHS = ("resnet-18", "resnet-34", "resnet-50", "resnet-101", "resnet-152")
TRIO = ("cnn", "cnn-dropout", "cnn-dropout-all")
LOSSES = ("cross-entropy", "mse", "smooth-l1", "bce-with-logits")


def members(names, **columns) -> dict[str, M]:
    """Members whose figures come from lists of one value each."""
    return {n: M(**{key: values[i] for key, values in columns.items()}) for i, n in enumerate(names)}


def depths(**columns) -> dict[str, M]:
    return members(DEPTHS, **columns)


def losses(entropy: M, other: M, status: str = "diverged") -> dict[str, M]:
    low = {name + LOW: entropy if name == "cross-entropy" else other for name in LOSSES}
    return low | {name + HIGH: M(status=status) for name in LOSSES}


def vgg(**members_: M) -> dict[str, M]:
    names = ("vgg-a", "vgg-a-light", "vgg-a-dropout", "vgg-a-bn", "vgg-a-bn-dropout")
    return {name: M() for name in names} | {name.replace("_", "-"): value for name, value in members_.items()}


XAVIER, HE = "", "-he"
RATES = (1e-3, 2e-3, 1e-4, 5e-4, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)


def band(
    width_with: float, width_without: float, high: tuple[float, float] = (0.6, 2.0), start: str = XAVIER
) -> dict[str, M]:
    """Runs at the study's four rates, and five higher ones that end at the losses `high` with and without BatchNorm.

    The networks of the other initialisation have no steps on record.
    """
    found = {}
    for norm, width, late in (("-bn", width_with, high[0]), ("", width_without, high[1])):
        for i, rate in enumerate(RATES):
            loss = np.full(60, 1.0 + width * min(i, 3) / 3)
            train = 0.6 if i < 4 else late
            found[f"vgg-a{norm}{start}-learning-rate-{rate:g}"] = M(steps={"loss": loss}, train_loss=train)
            other = XAVIER if start == HE else HE
            found[f"vgg-a{norm}{other}-learning-rate-{rate:g}"] = M(train_loss=train)
    return found


def probed(names: str | tuple[str, ...], with_: float, without: float, start: str = XAVIER) -> dict[str, M]:
    """Runs by Adam and SGD with per-step arrays of one level; arrays that end in `safe` have its inverse."""
    found = {}
    for optimizer in ("", "-sgd"):
        for norm, level in (("-bn", with_), ("", without)):
            steps = {
                name: np.where(np.arange(60) % 10 == 0, 1 / level if name.endswith("safe") else level, np.nan)
                for name in ((names,) if isinstance(names, str) else names)
            }
            found[f"vgg-a{norm}{optimizer}{start}"] = M(steps=steps)
    return found


def along(with_: float, without: float) -> dict[str, M]:
    """VGG-A and the linear network with every probe of the original paper at one level."""
    found = {}
    for member, level in (
        *(("vgg-a", without), ("vgg-a-bn", with_), ("vgg-a-noisy-bn", with_)),
        *(("vgg-a-he", without), ("vgg-a-bn-he", with_)),
        *(("linear-25", without), ("linear-25-bn", with_)),
    ):
        probes = {"loss_low": 0.0, "loss_high": level, "distance_high": level, "beta": level}
        steps = {f"gradient_direction/{name}": value for name, value in probes.items()}
        steps |= {"covariate_shift/distance/conv1_1": 0.0, "covariate_shift/distance/output": level}
        values = {name: np.where(np.arange(60) % 5 == 0, value, np.nan) for name, value in steps.items()}
        found[member] = M(steps=values, train_loss=level)
    return found


def fitted(*losses: float) -> dict[str, M]:
    """The CNN and its two arms with dropout: train loss in evaluation mode, and test loss."""
    return members(TRIO, train_eval_loss=losses, test_loss=losses)


def normed(others: M, none: M, batch: M | None = None) -> dict[str, M]:
    """VGG-A at rate 0.01 with every normalisation alike, without any, and with BatchNorm where it differs."""
    found = dict.fromkeys(("batch", "group", "layer", "instance", "l1", "linf"), others) | {"none": none}
    found["batch"] = batch or others
    return {f"vgg-a-{name}-learning-rate-0.01": member for name, member in found.items()}


def trusted(change: float) -> M:
    return M(steps={"step_reliability/gradient_change/0.1": np.full(60, change)})


DISTANCE, BETA = "gradient_distance/{}/last_linear", "beta/{}"
RELIABILITY = ("step_reliability/gradient_change/0.1", "step_reliability/largest_safe")
GOOD, BAD = M(test_accuracy=0.8), M(test_accuracy=0.5)
RISES = M(test_loss=[1.0, 0.8, 0.9, 1.2, 1.5, 1.8])
ACTIVATIONS = ("relu", "sigmoid", "softplus")
COUNTED = None
"""A claim about the networks themselves, which has a test of its own."""
CASES = {
    "cnn": [
        ({"cnn": M(test_accuracy=0.706)}, {"cnn": M(test_accuracy=0.69)}),
        ({"cnn-42-epochs": M(test_accuracy=0.714)}, {"cnn-42-epochs": M(test_accuracy=0.69)}),
    ],
    "batch_size": [
        (
            members(BATCHES, seconds=[20.0, 10.0, 9.5]),
            members(BATCHES, seconds=[20.0, 10.0, 5.0]),
        ),
        (
            members(BATCHES, test_accuracy=[0.71, 0.73, 0.74]),
            members(BATCHES, test_accuracy=[0.71, 0.73, 0.71]),
        ),
        (
            members(BATCHES, test_accuracy=[0.71, 0.64, 0.5]),
            members(BATCHES, test_accuracy=[0.64, 0.71, 0.5]),
        ),
        (
            members(BATCHES, test_accuracy=[[0.7] * 6, RISING, [0.1, 0.1, 0.2, 0.3, 0.4, 0.63]]),
            members(BATCHES, test_accuracy=[RISING, [0.7] * 6, RISING]),
        ),
        (
            members(("batch-256", "batch-256-rate-0.01"), test_accuracy=[SLOW, [0.7] * 6]),
            members(("batch-256", "batch-256-rate-0.01"), test_accuracy=[[0.7] * 6, SLOW]),
        ),
    ],
    "dropout": [
        (fitted(0.8, 1.0, 1.2), fitted(0.8, 1.0, 0.6)),
        (fitted(0.8, 1.0, 1.2), fitted(0.8, 1.0, 0.6)),
    ],
    "resnet18": [
        ({"r": M(test_accuracy=0.835)}, {"r": M(test_accuracy=0.82)}),
        *(({"r": M(test_loss=0.002 * b)}, {"r": M(test_loss=0.003 * b)}) for b in (100, 128, 200, 256)),
    ],
    "resnet18_long": [
        ({"r": M(test_accuracy=0.967)}, {"r": M(test_accuracy=0.955)}),
        *(({"r": M(test_loss=0.0009 * b)}, {"r": M(test_loss=0.002 * b)}) for b in (100, 128, 200, 256)),
    ],
    "resnet_depth": [
        COUNTED,
        COUNTED,
        (depths(seconds=[1, 2, 3, 4, 5]), depths(seconds=[1, 3, 2, 4, 5])),
        (
            depths(train_loss=[[0.6] * 6, FALLING, FALLING, LATE, LATE]),
            depths(train_loss=[FALLING, [0.6] * 6, FALLING, LATE, LATE]),
        ),
        (
            depths(test_accuracy=[[0.7] * 6, RISING, RISING, SLOW, SLOW]),
            depths(test_accuracy=[SLOW, [0.7] * 6, RISING, RISING, SLOW]),
        ),
        (
            depths(epochs=[8] * 5, test_accuracy=[STEADY, STEADY, SHAKY, STEADY, STEADY]),
            depths(epochs=[8] * 5, test_accuracy=[SHAKY, STEADY, STEADY, STEADY, STEADY]),
        ),
        (
            depths(test_accuracy=[0.9, 0.9, 0.7, 0.9, 0.9]),
            depths(test_accuracy=[0.7, 0.9, 0.9, 0.9, 0.9]),
        ),
    ],
    "losses": [
        (
            losses(M(test_loss=0.4), M(train_loss=0.002, test_loss=0.003)),
            # A network that only guesses has a SmoothL1 of 0.045, near zero for a careless eye.
            losses(M(test_loss=0.4), M(train_loss=0.045, test_loss=0.045)),
        ),
        (
            losses(M(test_accuracy=0.9, train_accuracy=0.99), M()),
            losses(M(test_accuracy=0.6, train_accuracy=0.99), M()),
        ),
        (losses(M(), M()), losses(M(), M(), "finished")),
    ],
    "activations": [
        (
            members(
                ACTIVATIONS, epochs=[8] * 3, test_accuracy=[STEADY, SHAKY, SHAKY], test_loss=[STEADY, SHAKY, SHAKY]
            ),
            members(
                ACTIVATIONS, epochs=[8] * 3, test_accuracy=[SHAKY, STEADY, SHAKY], test_loss=[STEADY, SHAKY, SHAKY]
            ),
        ),
        (
            members(("relu", "leaky-relu"), test_accuracy=[0.9, 0.905]),
            members(("relu", "leaky-relu"), test_accuracy=[0.9, 0.92]),
        ),
        (
            {"relu": GOOD, "leaky-relu": GOOD, "sigmoid": BAD, "tanh": BAD, "softplus": BAD},
            {"relu": GOOD, "leaky-relu": BAD, "sigmoid": BAD, "tanh": GOOD, "softplus": BAD},
        ),
    ],
    "optimizers": [
        (
            {n: M() for n in ("sgd", "adagrad", "adam")} | {"adadelta": M(train_loss=0.1, train_accuracy=0.99)},
            {n: M() for n in ("sgd", "adagrad", "adam")} | {"adadelta": M(train_loss=0.9, train_accuracy=0.5)},
        ),
        (
            members(
                ("sgd", "adam", "adagrad", "adadelta"), epochs=[8] * 4, test_accuracy=[STEADY, STEADY, SHAKY, SHAKY]
            ),
            members(
                ("sgd", "adam", "adagrad", "adadelta"), epochs=[8] * 4, test_accuracy=[SHAKY, STEADY, SHAKY, STEADY]
            ),
        ),
    ],
    "vgg_family": [
        (vgg(vgg_a_light=BAD), vgg(vgg_a_light=GOOD)),
        (vgg(vgg_a=RISES), vgg()),
        (vgg(), vgg(vgg_a_dropout=RISES)),
        (
            vgg(vgg_a_sgd=M(train_loss=2.302), vgg_a_light_sgd=M(), vgg_a_bn_sgd=M()),
            vgg(vgg_a_sgd=M(train_loss=1.9), vgg_a_light_sgd=M(), vgg_a_bn_sgd=M()),
        ),
        (vgg(), vgg(vgg_a=M(train_loss=2.3))),
        (
            vgg(vgg_a=M(train_loss=LATE), vgg_a_bn=M(train_loss=[0.6] * 6)),
            vgg(vgg_a=M(train_loss=[0.6] * 6), vgg_a_bn=M(train_loss=LATE)),
        ),
        (
            vgg(vgg_a=M(test_accuracy=SLOW), vgg_a_bn=M(test_accuracy=[0.75] * 6)),
            vgg(vgg_a=M(test_accuracy=[0.7] * 6), vgg_a_bn=M(test_accuracy=SLOW)),
        ),
        (vgg(vgg_a_bn=GOOD), vgg(vgg_a_bn=BAD)),
        (vgg(vgg_a_bn=RISES), vgg()),
        (vgg(), vgg(vgg_a_bn_dropout=RISES)),
        (vgg(vgg_a_bn=RISES), vgg(vgg_a_bn_dropout=RISES)),
        (vgg(), vgg(vgg_a_bn_dropout=BAD)),
    ],
    "loss_landscape": [
        case
        for start in (XAVIER, HE)
        for case in (
            *([(band(0.2, 0.8, start=start), band(0.8, 0.2, start=start))] * 3),
            (band(0.2, 0.8, start=start), band(0.2, 0.8, high=(2.0, 0.6), start=start)),
        )
    ],
    "gradients": [
        (probed(names, 1, 50, start), probed(names, 50, 1, start))
        for start in (XAVIER, HE)
        for names in (
            DISTANCE.format("same_batch"),
            DISTANCE.format("cross_batch"),
            BETA.format("same_batch"),
            BETA.format("same_batch"),
            BETA.format("cross_batch"),
            RELIABILITY,
        )
    ],
    "normalizations": [
        (normed(M(), M(train_loss=1.5)), normed(M(), M(train_loss=0.3))),
        (normed(M(train_loss=0.9), M(), M(train_loss=0.3)), normed(M(train_loss=0.3), M(), M(train_loss=0.9))),
        (normed(trusted(0.2), trusted(2.0)), normed(trusted(2.0), trusted(0.2))),
        (normed(BAD, M(), GOOD), normed(GOOD, M(), BAD)),
    ],
    "santurkar": [
        *([(along(0.01, 1.0), along(0.1, 1.0))] * 2),
        *([(along(0.1, 0.5), along(0.5, 0.1))] * 4),
        (along(0.5, 0.1), along(0.1, 0.5)),
        (along(0.1, 0.5), along(0.5, 0.1)),
    ],
}
"""By study, a pair of records for each claim in its order: one on which it holds, one on which it does not."""
NUMBERED = [(name, index) for name, cases in CASES.items() for index, case in enumerate(cases) if case is not COUNTED]


THREE_SEEDS = (0.0, 1e-4, -1e-4)


def shipped_study(name: str) -> Study:
    found = shipped.find(name)
    assert found is not None
    return found


def study(folder: Path, name: str, spec: dict[str, M], **changes: Any) -> StudyResults:
    """Records of a study's own runs, with three seeds where a case does not say how many."""
    own = shipped.find(name) if name in shipped.names() else None
    runs = {member.name: member.run for member in own.members()} if own else {}
    filled = {
        member: dataclasses.replace(
            figures,
            run=runs.get(member, figures.run) if figures.run == Run() else figures.run,
            spread=figures.spread if len(figures.spread) > 1 or figures.one_seed else THREE_SEEDS,
            own_epochs=True,
        )
        for member, figures in spec.items()
    }
    return synthetic.study(folder, name, filled, **changes)


def judge_one(results: StudyResults, statement: str) -> Judged:
    """The first shipped claim whose statement contains these words."""
    own = shipped_study(results.name)
    claim = next(claim for claim in own.claims if statement in claim.statement)
    (judged,) = judge(dataclasses.replace(own, claims=(claim,)), results)
    return judged


def test_every_claim_has_its_case():
    claims = {study.name: len(study.claims) for study in shipped.sections(but="paper") if study.claims}
    assert {name: len(cases) for name, cases in CASES.items()} | {"residual": 6, "init": 8} == claims


@pytest.mark.parametrize(("name", "index"), NUMBERED, ids=lambda value: str(value))
def test_a_claim_holds_and_does_not_hold(name: str, index: int, tmp_path: Path):
    own = shipped_study(name)
    own = dataclasses.replace(own, claims=own.claims[index : index + 1])
    for answer, spec in zip(("holds", "does not hold"), CASES[name][index], strict=True):
        (judged,) = judge(own, study(tmp_path / answer, name, spec))
        assert judged.verdict == answer, judged
        assert judged.seeds == 3
        assert judged.data == "cifar10-jpeg"
        assert judged.statement.endswith(".")
        assert judged.definition
        assert judged.decides
        assert all(number.text for number in judged.numbers)
        assert_same(Judged.from_json(json.loads(json.dumps(finite(judged.to_json())))), judged)


def assert_same(read: Judged, judged: Judged) -> None:
    """Compare a stored verdict with the original; a value that was not finite has no JSON and is read as NaN."""
    assert dataclasses.replace(read, numbers=()) == dataclasses.replace(judged, numbers=())
    shown = [[(number.quantity, number.label, number.text) for number in item.numbers] for item in (read, judged)]
    assert shown[0] == shown[1]


@pytest.mark.parametrize(("ratio", "late", "answer"), [(0.001, 1.5, "holds"), (3.0, 0.2, "does not hold")])
def test_the_gradients_claims(tmp_path: Path, ratio: float, late: float, answer: str):
    depths = (18, 34, 50, 101)
    names = {
        f"{kind}-{depth}{norm}": M() for kind in ("plain", "resnet") for depth in depths for norm in ("", "-no-bn")
    }
    names["plain-101"] = M(train_loss=late)
    found = study(tmp_path, "residual", names)
    for name in names:
        first = ratio ** (1 + name.startswith("plain-101")) if name.startswith("plain") else 1.0
        norms = {"conv1/kernel": first, "stage2_block1/conv_shortcut": 9.0, "stage4_block2/conv2": 1.0, "output": 7.0}
        for seed in range(3):
            folder = tmp_path / "residual" / name / f"seed-{seed}"
            varied = {**norms, "conv1/kernel": first * (1 + 0.001 * seed)}
            records.write_json(folder / pictures.GRADIENTS, {"norms": {"0": varied, "6": varied}})
    assert [judged.verdict for judged in judge(shipped_study("residual"), found)] == [answer] * 6


def test_a_gradient_below_float32_is_the_smallest_one(tmp_path: Path):
    found = study(tmp_path, "residual", {"plain-101": M()})
    norms = {"conv1/kernel": 0.0, "stage4_block2/conv2": 2.0}
    for seed in range(3):
        folder = tmp_path / "residual" / "plain-101" / f"seed-{seed}"
        records.write_json(folder / pictures.GRADIENTS, {"norms": {"0": norms}})
    ratio = first_over_last_gradient(at_start=True)
    assert ratio.values(found.runs) == pytest.approx([np.finfo(np.float32).smallest_normal / 2] * 3)


@pytest.mark.parametrize(("factor", "answer"), [(4.0, "holds"), (0.25, "does not hold")])
def test_the_claims_at_initialisation(tmp_path: Path, factor: float, answer: str):
    own = shipped_study("init")
    found = study(tmp_path, "init", {member.name: M() for member in own.members()})
    found = dataclasses.replace(found, wanted=Wanted("cifar10", own.base.data.train_size, own.base.data.test_size))
    more = {"plain-34-batch": factor, "plain-34-none": 0.5, "plain-34-none-torch": 0.5 / factor}
    shares = {"resnet-34-batch": 0.2, "resnet-18-batch": 0.2 * factor, "resnet-34-none": 0.2 * factor}
    for run in found.runs:
        varied = 1 + 0.001 * run.seed
        norms = {"conv1": varied * more.get(run.member, 1.0), "conv2": 1.0}
        records.write_json(run.folder / pictures.GRADIENTS, {"norms": {"0": norms}})
        rank = 8 * factor if run.member == "plain-34-batch" else 8.0
        cosine = 0.1 * factor if run.member.startswith("resnet-34") else 0.1
        levels = {"feature_rank": ("rank", rank), "input_gradients": ("cosine", cosine)}
        for measure, (name, value) in {**levels, "residual_share": ("share", shares.get(run.member, 0.5))}.items():
            snapshots.write(run.folder, measure, {"steps": [0, 4], name: np.full((2, 9), varied * value)}, {})
    assert [judged.verdict for judged in judge(own, found)] == [answer] * 8


def test_what_was_not_measured_at_initialisation_is_missing(tmp_path: Path):
    own = shipped_study("init")
    found = study(tmp_path, "init", {member.name: M() for member in own.members()})
    found = dataclasses.replace(found, wanted=Wanted("cifar10", own.base.data.train_size, own.base.data.test_size))
    for run in found.runs:
        snapshots.write(run.folder, "feature_rank", {"steps": [4], "rank": np.ones((1, 9))}, {})
    claim = judge_one(found, "from collapsing")
    assert claim.verdict == "not decided"
    assert "plain-34-batch, seed 0 has not been measured at initialisation" in claim.decides


@pytest.mark.slow
def test_the_tables_of_the_networks(tmp_path: Path):
    found = study(tmp_path, "resnet_depth", depths())
    for statement in ("million parameters", "operations per image"):
        assert "has not been computed" in judge_one(found, statement).decides
    file = found.folder / pictures.FOLDER / pictures.ARCHITECTURE
    tables = residual_blocks.tables()
    records.write_json(file, tables)
    assert judge_one(found, "million parameters").verdict == "holds"
    assert judge_one(found, "operations per image").verdict == "holds"
    tables["cifar"]["34"]["parameters"] += 1000
    tables["imagenet"]["18"]["multiply_adds"] *= 2
    records.write_json(file, tables)
    assert judge_one(found, "million parameters").verdict == "does not hold"
    assert judge_one(found, "operations per image").decides == "4 of 5 agree"


def test_several_seeds_are_tested(tmp_path: Path):
    clear = members(("vgg-a-bn", "vgg-a-bn-dropout"), test_loss=[1.0, 0.8], spread=[(0.0, 0.01, 0.02)] * 2)
    claim = judge_one(study(tmp_path / "a", "vgg_family", clear), "the late test loss")
    assert (claim.verdict, claim.seeds) == ("holds", 3)
    assert "Welch's t, 3 and 3 seeds, adjusted p = " in claim.decides
    assert claim.numbers[0].text == "0.81 ± 0.0058 nats"
    noisy = members(("vgg-a-bn", "vgg-a-bn-dropout"), test_loss=[1.0, 0.99], spread=[(0.0, 0.2, 0.4)] * 2)
    claim = judge_one(study(tmp_path / "b", "vgg_family", noisy), "the late test loss")
    assert claim.verdict == "not decided"
    assert "not even 150 seeds in all would decide, if they were like these" in claim.decides
    equal = members(("vgg-a-bn", "vgg-a-bn-dropout"), test_loss=[1.0, 0.999])
    claim = judge_one(study(tmp_path / "c", "vgg_family", equal), "the late test loss")
    assert claim.verdict == "no difference"
    assert "no difference larger than 0.02" in claim.decides


def test_one_seed_decides_no_comparison(tmp_path: Path):
    far = vgg(vgg_a_light=M(test_accuracy=0.2, one_seed=True))
    claim = judge_one(study(tmp_path, "vgg_family", far), "light performs")
    assert claim.verdict == "not decided"
    assert "one seed decides no comparison, several seeds are needed (--seeds 5)" in claim.decides


def test_a_level_is_decided_by_its_interval_and_by_one_seed_far_away(tmp_path: Path):
    def verdict(folder: str, accuracy: float, **changes: Any) -> str:
        found = study(tmp_path / folder, "cnn", {"cnn": M(test_accuracy=accuracy, **changes)})
        return judge_one(found, "reaches 71% after 6").verdict

    assert verdict("a", 0.708, spread=(0.0, 0.05, -0.05)) == "not decided"
    assert verdict("b", 0.71, one_seed=True) == "not decided"
    assert verdict("c", 0.73, one_seed=True) == "holds"
    assert verdict("d", 0.68, one_seed=True) == "does not hold"


def test_a_network_on_its_plateau_is_not_smooth(tmp_path: Path):
    flat = probed(BETA.format("same_batch"), 50, 0.1)
    flat["vgg-a-sgd"] = dataclasses.replace(flat["vgg-a-sgd"], train_loss=2.3025)
    claim = judge_one(study(tmp_path, "gradients", flat), "greatly decreases")
    assert claim.verdict == "not decided"
    assert "does not train: its last train loss is 2.3, guessing gives 2.3" in claim.decides


def test_the_plateau_is_that_of_the_own_number_of_classes(tmp_path: Path):
    hundred = Run(model=CNN(classes=100))
    quantity = share_of_guessing("train_loss")
    for name, loss, trains in (("a", 2.5, True), ("b", 4.6, False)):
        run = study(tmp_path, name, {"x": M(run=hundred, train_loss=loss)}).runs[0]
        assert quantity.of(run) == pytest.approx(loss / math.log(100), rel=0.01)
        with nullcontext() if trains else pytest.raises(Missing, match=r"guessing gives 4\.61"):
            _check_trained([run], "x", 1)


def test_a_study_of_own_images_is_decided(tmp_path: Path):
    data = Data(source="npz", dir="images.npz")
    own = Study(
        "own",
        Run(data=data),
        (Variant("a"), Variant("b", {"epochs": 7})),
        seeds=(0, 1, 2),
        claims=(Claim("a", "b", compare(best_accuracy(), greater="a", than="b", by=1.0)),),
    )
    fitted = dataclasses.replace(data, train_size=40, test_size=20, mean=(0.5,), deviation=(0.2,))

    def judged(folder: str, **changes: Any) -> Judged:
        spec = {}
        for member, accuracy in (("a", 0.7), ("b", 0.5)):
            base = next(each.run for each in own.members() if each.name == member)
            model = dataclasses.replace(base.model, image=(16, 16, 1), classes=4)
            run = dataclasses.replace(base, model=model, data=fitted, **changes)
            spec[member] = M(run=run, test_accuracy=accuracy, spread=THREE_SEEDS, data="images", own_epochs=True)
        found = synthetic.study(tmp_path / folder, "own", spec)
        return judge(own, dataclasses.replace(found, wanted=Wanted("npz")))[0]

    assert judged("a").verdict == "holds"
    assert "batch_size is 7 instead of" in judged("b", batch_size=7).decides


@pytest.mark.parametrize("flat", [1, 2, 4])
def test_one_rate_on_its_plateau_makes_no_band_smooth(tmp_path: Path, flat: int):
    found = band(0.2, 0.8)
    for rate in RATES[:flat]:
        name = f"vgg-a-learning-rate-{rate:g}"
        found[name] = dataclasses.replace(found[name], train_loss=2.3025)
    claim = judge_one(study(tmp_path, "loss_landscape", found), "narrows the band")
    assert claim.verdict == ("holds" if flat == 1 else "not decided")
    assert ("does not train" in claim.decides) is (flat > 1)


def test_a_number_of_several_rates_is_labelled_without_them(tmp_path: Path):
    labels = {"a": "warm-up, rate rising", "b": "VGG-A, rate 0.1, He initialisation", "c": "rate 0.1"}
    for name, expected in (("a", "warm-up, rate rising"), ("b", "VGG-A, He initialisation"), ("c", "sweep")):
        spec = {
            f"sweep-learning-rate-{rate:g}": M(run=Run(optimizer=SGD(learning_rate=rate)), spread=THREE_SEEDS)
            for rate in (0.1, 0.2)
        }
        found = synthetic.study(tmp_path / name, "own", spec)
        told = {member: labels[name].replace("0.1", member.rpartition("-")[2]) for member in spec}
        found = dataclasses.replace(found, labels=told if name != "a" else {**told, [*told][1]: "other"})
        assert number(found, band_width(), "sweep").label == expected


def test_the_rise_of_a_loss_below_0_is_no_ratio(tmp_path: Path):
    spec = {"a": M(test_loss=np.array([-1.0, -4.0, -2.0]), epochs=3), "b": M(test_loss=-1.0, epochs=3)}
    claim = Claim("It rises less.", "Less.", compare(rise("test_loss"), smaller="a", than="b", by=0.1))
    own = Study("own", Run(), variants=(Variant("a"), Variant("b")), claims=(claim,))
    (judged,) = judge(own, study(tmp_path, "own", spec))
    assert judged.verdict == "not decided"
    assert "a ratio needs one above 0" in judged.reasons[0]


def test_usable_rates_of_one_initialisation_do_not_depend_on_the_other(tmp_path: Path):
    found = band(0.2, 0.8, start=HE)
    for rate in RATES:
        name = f"vgg-a-bn-learning-rate-{rate:g}"
        found[name] = dataclasses.replace(found[name], train_loss=0.01)
    results = study(tmp_path, "loss_landscape", found)
    xavier, he = (
        judge_one(results, f"wider range of learning rates without compromising convergence ({start}")
        for start in ("Xavier", "He")
    )
    assert [number.values[0] for number in xavier.numbers] == pytest.approx([math.log10(0.3 / 1e-4), 0.0])
    assert [number.values[0] for number in he.numbers] == pytest.approx(
        [math.log10(0.3 / 1e-4), math.log10(2e-3 / 1e-4)]
    )


def test_usable_rates_need_all_rates_of_the_study(tmp_path: Path):
    found = {name: figures for name, figures in band(0.2, 0.8).items() if not name.endswith("-0.3")}
    claim = judge_one(study(tmp_path, "loss_landscape", found), "wider range")
    assert claim.verdict == "not decided"
    assert "The run vgg-a-learning-rate-0.3 is not there." in claim.decides


@pytest.mark.parametrize("state", ["begun", "of fewer seeds"])
def test_usable_rates_need_every_run_to_its_end(tmp_path: Path, state: str):
    """A network of the other initialisation may yet be the best, even if the claim is not on it."""
    found = study(tmp_path, "loss_landscape", band(0.2, 0.8))
    last = [run for run in found.runs if run.member == "vgg-a-bn-he-learning-rate-0.3"][-1]
    if state == "begun":
        runs = tuple(dataclasses.replace(run, records=None) if run is last else run for run in found.runs)
    else:
        runs = tuple(run for run in found.runs if run is not last)
    claim = judge_one(dataclasses.replace(found, runs=runs), "wider range")
    assert claim.verdict == "not decided"
    assert f"The run {last.member}, seed {last.seed} " in claim.decides


def test_losses_without_a_unit_are_told_without_one(tmp_path: Path):
    """MSE has none; cross-entropy is in nats."""
    for loss, unit in ((MSE(), ""), (CrossEntropy(), "nats")):
        place = tmp_path / type(loss).__name__
        two = {
            name: M(run=Run(loss=loss), epochs=3, test_loss=[2.0, 1.5, level])
            for name, level in (("a", 1.1), ("b", 1.2))
        }
        results = synthetic.study(place, "mine", two)
        for quantity in (last("test_loss"), mean("test_loss"), least("test_loss"), oscillation("test_loss")):
            assert number(results, quantity, "a").unit == unit
        assert number(results, best_accuracy(), "a").unit == "%"
        assert number(results, last("test_loss", unit="bits"), "a").unit == "bits"
        own = Quantity("entropy of the answers", lambda run: 1.0, "nats")
        assert number(results, own, "a").unit == "nats"
        assert usable_decades()(results).name.endswith(f"within {f'0.1 {unit}'.strip()} of the seed's best)")
        level = epochs_to_common_level("test_loss", ["a", "b"])(results)
        assert level.name == f"epochs to a test loss of {f'1.2 {unit}'.strip()}"


def test_every_rate_diverges_and_none_is_usable(tmp_path: Path):
    found = band(0.2, 0.8)
    for name in found:
        if not name.startswith("vgg-a-bn"):
            found[name] = dataclasses.replace(found[name], status="diverged")
    claim = judge_one(study(tmp_path, "loss_landscape", found), "wider range")
    assert [number.text for number in claim.numbers] == ["3.477 decades", "0 decades"]
    assert claim.verdict == "holds"


@pytest.mark.parametrize("seeds", [1, 2])
def test_usable_rates_of_a_seed_do_not_depend_on_other_seeds(tmp_path: Path, seeds: int):
    """The second seed ends 0.3 nats lower at every rate, which is more than the tolerance."""
    found = {
        name: dataclasses.replace(figures, spread=(0.0, -0.3)[:seeds], one_seed=True)
        for name, figures in band(0.2, 0.8).items()
    }
    claim = judge_one(study(tmp_path, "loss_landscape", found), "wider range")
    assert claim.numbers[0].values == pytest.approx([math.log10(0.3 / 1e-4)] * seeds)


def test_a_diverged_seed_enters_no_mean(tmp_path: Path):
    spec = fitted(0.8, 1.0, 1.2)
    found = study(tmp_path, "dropout", spec)
    records.write_summary(tmp_path / "dropout/cnn-dropout/seed-2", {"status": "diverged", "diverged_step": 7})
    claim = judge_one(dataclasses.replace(read_studies(tmp_path)[0], labels=found.labels), "falls more slowly")
    assert claim.verdict == "holds"
    assert "(1 of 3 seeds diverged)" in claim.numbers[0].label
    assert len(claim.numbers[0].values) == 2


def test_what_leaves_a_claim_open(tmp_path: Path):
    good = {"cnn": M(test_accuracy=0.8)}

    def judged(folder: str, members: dict[str, M], **changes) -> Judged:
        return judge_one(study(tmp_path / folder, "cnn", members, **changes), "reaches 71% after 6")

    scaled = judged("a", good, scale=0.02)
    assert scaled.label == "not decided (scaled)"
    assert scaled.numbers[0].text == "80 ± 0.0058%"
    part = {"cnn": M(test_accuracy=0.8, run=Run(data=Data(train_size=5000)))}
    assert judged("b", part).label == "not decided (scaled)"
    run = shipped_study("cnn").base
    edited = M(test_accuracy=0.8, run=dataclasses.replace(run, epochs=1, batch_size=500))
    changed = judged("c", {"cnn": edited})
    assert changed.verdict == "not decided"
    assert changed.decides == (
        "The runs are not the study's: epochs is 1 instead of 6; batch_size is 500 instead of 4. Run the study as it "
        "is to decide.; The numbers point for the statement."
    )
    for name, value in (("precision", "bfloat16"), ("evaluate_train", True)):
        other = M(test_accuracy=0.8, run=dataclasses.replace(run, **{name: value}))
        assert judged(name, {"cnn": other}).verdict == "holds"
    assert judged("f", {"cnn": dataclasses.replace(good["cnn"], data="cifar100")}).verdict == "not decided"
    shapes = judged("e", {"cnn": dataclasses.replace(good["cnn"], data="shapes")})
    assert (shapes.verdict, "run it on CIFAR-10" in shapes.decides) == ("not decided", True)


def test_train_losses_are_those_of_evaluation_mode_where_all_runs_have_them(tmp_path: Path):
    run = shipped_study("vgg_family").base

    def quantity(folder: str, running: tuple[str, ...] = ()) -> str:
        runs = {name: dataclasses.replace(run, evaluate_train=name not in running) for name in vgg()}
        found = study(tmp_path / folder, "vgg_family", {name: M(run=own) for name, own in runs.items()})
        return judge_one(found, "With Adam, VGG-A begins").numbers[0].quantity

    assert quantity("all") == "evaluated train loss at the end"
    assert quantity("some", running=("vgg-a-light",)) == "train loss at the end"


def test_a_claim_on_evaluation_mode_needs_it(tmp_path: Path):
    spec = {name: dataclasses.replace(each, train_eval_loss=math.nan) for name, each in fitted(0.8, 1.0, 1.2).items()}
    claim = judge_one(study(tmp_path, "dropout", spec), "falls more slowly")
    assert claim.verdict == "not decided"
    assert "has no train_eval_loss on record; train it with --evaluate-train." in claim.decides


def test_a_study_of_other_images_is_judged_on_them(tmp_path: Path):
    small = M(test_accuracy=0.8, run=Run(data=Data(source="shapes", train_size=500)), data="shapes")
    found = study(tmp_path, "mine", {"a": small})
    claim = Claim("It learns.", "Best test accuracy is at least 50%.", at_least(best_accuracy(), 50, by=1))
    mine = Study("mine", dataclasses.replace(small.run, name="a"), claims=(claim,))
    assert judge(mine, found)[0].label == "not decided (scaled)"
    own = dataclasses.replace(found, wanted=Wanted("shapes", 500))
    assert judge(mine, own)[0].label == "holds"
    elsewhere = dataclasses.replace(own, wanted=Wanted("cifar10", 500))
    assert judge(mine, elsewhere)[0].verdict == "not decided"


def test_a_judge_that_raises_is_told_and_the_others_stand(tmp_path: Path):
    def broken(results: StudyResults) -> Evidence:
        raise ZeroDivisionError("no seeds")

    wrong: Any = lambda results: 3  # noqa: E731
    good = at_least(best_accuracy(), 70, by=1)
    claims = tuple(Claim(f"{n}.", "A definition.", each) for n, each in enumerate((broken, wrong, good)))
    mine = Study("mine", Run(name="a"), claims=claims)
    first, second, third = judge(mine, study(tmp_path, "mine", {"a": M(test_accuracy=0.8)}))
    assert first.verdict == second.verdict == "not decided"
    assert first.decides.startswith("The claim could not be judged: ZeroDivisionError: no seeds (")
    assert "test_claims.py, line " in first.decides
    assert second.decides == "The claim could not be judged: its judge returned int; it must return Evidence."
    assert third.verdict == "holds"


def test_a_comparison_names_one_direction():
    with pytest.raises(UserError, match="give exactly one of the two"):
        compare(best_accuracy(), smaller="a", greater="b", than="c", by=1)


def test_missing_members_leave_it_open(tmp_path: Path):
    claim = judge_one(study(tmp_path / "a", "vgg_family", {"vgg-a": M()}), "light performs")
    assert (claim.verdict, claim.decides) == ("not decided", "The run vgg-a-light is not there.")
    running = vgg(vgg_a_light=M(status=None))
    claim = judge_one(study(tmp_path / "b", "vgg_family", running), "light performs")
    assert claim.decides.startswith("The run vgg-a-light, seed 0 has not come to its end; give")


def test_json_of_a_manifest_that_is_none(tmp_path: Path):
    folder = write_study(tmp_path, "cnn", {"cnn": M()})
    (folder / "study.json").write_text(json.dumps({"runs": [{"x": 1}]}))
    (found,) = read_studies(tmp_path)
    assert judge_one(found, "reaches 71% after 6").verdict == "not decided"


def test_seconds_beside_other_processes_decide_nothing(tmp_path: Path):
    found = study(tmp_path, "resnet_depth", depths(seconds=[1, 2, 3, 4, 5]))
    judged = judge_one(found, "An epoch takes longer")
    assert judged.verdict == "holds"
    alone = len(judged.numbers[2].values)
    first, *others = [run.records.summary for run in found.members["resnet-50"] if run.records]
    first["processes_beside"] = 3
    judged = judge_one(found, "An epoch takes longer")
    assert judged.verdict == "holds", "by the seeds that had the machine to themselves"
    assert len(judged.numbers[2].values) == alone - 1
    for summary in others:
        summary["processes_beside"] = 3
    judged = judge_one(found, "An epoch takes longer")
    assert judged.verdict == "not decided"
    assert "resnet-50 has no run whose seconds can be compared" in judged.decides


def test_seconds_of_two_devices_are_not_compared(tmp_path: Path):
    found = study(tmp_path, "resnet_depth", depths(seconds=[1, 2, 3, 4, 5]))
    (run, *others) = found.members["resnet-18"]
    assert run.records is not None
    run.records.environment["device"] = {"kind": "another"}
    assert len(judge_one(found, "An epoch takes longer").numbers[0].values) == len(others)
    for each in others:
        assert each.records is not None
        each.records.environment["device"] = {"kind": "another"}
    judged = judge_one(found, "An epoch takes longer")
    assert "another device than most runs of the study" in judged.decides


def test_a_diverged_seed_sets_no_common_level(tmp_path: Path):
    spec = members(("vgg-a-bn", "vgg-a"), train_loss=[[0.6] * 6, LATE])
    found = study(tmp_path, "vgg_family", spec)
    claim = judge_one(found, "training converges faster")
    (run, *_) = found.members["vgg-a"]
    folder = tmp_path / "vgg_family" / "vgg-a" / "seed-3"
    assert run.config is not None
    lost = M(epochs=1, run=run.config, own_epochs=True, train_loss=2.3, status="diverged", spread=(0.0,) * 4)
    write_run(folder, run.config.name, lost, 3)
    more = dataclasses.replace(run, seed=3, folder=folder, records=read_records(folder))
    again = judge_one(dataclasses.replace(found, runs=(*found.runs, more)), "training converges faster")
    assert (claim.verdict, again.verdict) == ("holds", "holds")
    assert [number.values for number in again.numbers] == [number.values for number in claim.numbers]


def test_equal_seeds_are_no_certainty(tmp_path: Path):
    spec = vgg(vgg_a_light=M(test_accuracy=0.5, spread=(0.0, 0.0)))
    spec = {name: dataclasses.replace(member, spread=(0.0, 0.0)) for name, member in spec.items()}
    claim = judge_one(study(tmp_path, "vgg_family", spec), "light performs")
    assert claim.verdict == "not decided"
    assert "nothing varies between the seeds" in claim.decides


def test_a_study_without_its_own_probes_or_snapshots_is_another(tmp_path: Path):
    own = shipped_study("gradients").members()[0].run

    def judged(folder: str, name: str, run: Run) -> Judged:
        return judge_one(study(tmp_path / folder, name, {run.name: M(run=run)}), "")

    beta = next(probe for probe in own.probes if isinstance(probe, Beta))
    changed = dataclasses.replace(own, probes=(*(p for p in own.probes if p != beta), Beta(every=100)))
    assert "probes lack Beta(" in judged("a", "gradients", changed).decides
    more = dataclasses.replace(own, probes=(*own.probes, NoiseFloor()))
    assert "not the study's" not in judged("b", "gradients", more).decides
    plain = shipped_study("residual").members()[0].run
    early = dataclasses.replace(plain, checkpoint=dataclasses.replace(plain.checkpoint, snapshots=(0,)))
    assert "checkpoint.snapshots is [0] instead of [0, 1]" in judged("c", "residual", early).decides


def test_orders_of_magnitude_are_of_the_seeds_in_common(tmp_path: Path):
    values = {"vgg-a": 10.0, "vgg-a-bn": 0.1, "vgg-a-he": 10.0, "vgg-a-bn-he": 0.1}
    steps = {name: np.full(60, value) for name, value in values.items()}
    spec = {name: M(steps={"gradient_direction/distance_high": value}) for name, value in steps.items()}
    found = study(tmp_path, "santurkar", spec)
    # One arm lacks its first seed, the other its last.
    lost = {("vgg-a", 0), ("vgg-a-bn", 2)}
    found = dataclasses.replace(found, runs=tuple(r for r in found.runs if (r.member, r.seed) not in lost))
    judged = judge_one(found, "more predictive with BatchNorm (Xavier")
    assert judged.numbers[2].values == pytest.approx((2.0,), abs=1e-6)


@pytest.mark.parametrize("early", [2.3, 1.8])
def test_gradients_on_a_plateau_predict_nothing(tmp_path: Path, early: float):
    """The network trains in the end, but not within the steps that the claim is about."""
    losses = np.concatenate([np.full(6, early), np.linspace(early, 0.5, 54)])
    spec = {
        name: M(steps={"loss": losses, "gradient_direction/distance_high": np.full(60, distance)})
        for name, distance in (("vgg-a", 0.1), ("vgg-a-bn", 10.0))
    }
    judged = judge_one(study(tmp_path, "santurkar", spec), "more predictive with BatchNorm (Xavier")
    if early > 2:
        assert "does not train in the first 10% of its steps: its last train loss is 2.3" in judged.decides
    else:
        assert judged.verdict == "does not hold"


@pytest.mark.parametrize("tests", [(), ({"answer": "no difference"},), ({"kind": 3},)])
def test_a_stored_verdict_without_its_tests_says_no_difference(tests: tuple[dict[str, Any], ...]):
    stored = Judged("s", "d", (), 3, "cifar10", "no difference", (), tests=tests)
    assert Judged.from_json(stored.to_json()).label == "no difference"


def test_an_edited_copy_of_a_shipped_study_is_not_that_study(tmp_path: Path):
    own = shipped_study("cnn")
    edited = dataclasses.replace(own, base=dataclasses.replace(own.base, batch_size=100))
    runs = {member.name: M(run=member.run, own_epochs=True, test_accuracy=0.2) for member in edited.members()}
    results = synthetic.study(tmp_path, "cnn", runs)
    first = judge(edited, results)[0]
    assert first.verdict == "not decided"
    assert first.decides.startswith("The runs are not those of the shipped cnn: batch_size is 100 instead of 4")
    other = dataclasses.replace(edited, claims=(dataclasses.replace(own.claims[0], statement="My own claim."),))
    assert judge(other, results)[0].verdict == "does not hold"


def test_runs_without_a_config_decide_nothing(tmp_path: Path):
    results = study(tmp_path, "vgg_family", vgg())
    (results.folder / "vgg-a/seed-0/config.json").write_text("{")
    (found,) = read_studies(tmp_path)
    assert "cannot be read" not in judge_one(results, "light performs").decides
    claim = judge_one(found, "light performs")
    assert claim.verdict == "not decided"
    assert "cannot be read, so that run may not be the study's" in claim.decides


def test_a_study_in_evaluation_mode_is_not_judged_by_running_losses(tmp_path: Path):
    own = shipped_study("vgg_family")
    bare = {
        member.name: M(run=dataclasses.replace(member.run, evaluate_train=False), own_epochs=True)
        for member in own.members()
    }
    claim = judge_one(synthetic.study(tmp_path, "vgg_family", bare), "light performs")
    assert "evaluate_train is False instead of True" in claim.decides


def test_equal_seeds_far_from_a_level_decide_as_one_does(tmp_path: Path):
    def verdict(folder: str, accuracy: float) -> Judged:
        equal = M(test_accuracy=accuracy, spread=(0.0, 0.0, 0.0))
        return judge_one(study(tmp_path / folder, "cnn", {"cnn": equal}), "reaches 71% after 6")

    assert verdict("a", 0.1).decides.endswith("3 equal seeds, more than four seed deviations (2.1) away")
    assert (verdict("b", 0.1).verdict, verdict("c", 0.71).verdict) == ("does not hold", "not decided")


def test_equal_arms_point_nowhere():
    for relation in ("smaller", "greater"):
        order = Order("x", relation, (1.0, 1.0), (1.0, 1.0), 0.5)
        assert pointing([order]) == "The numbers point nowhere."
        assert pointing([dataclasses.replace(order, negated=True)]) == "The numbers point for the statement."


def test_a_figure_that_no_run_has_is_named(tmp_path: Path):
    misspelt = Claim("a", "b", compare(last("tset_accuracy"), smaller="vgg-a", than="vgg-a-bn", by=1.0))
    own = dataclasses.replace(shipped_study("vgg_family"), claims=(misspelt,))
    (claim,) = judge(own, study(tmp_path, "vgg_family", vgg()))
    assert "vgg-a, seed 0 has no 'tset_accuracy' on record; it has epoch, step, train_loss" in claim.decides


@pytest.mark.parametrize("by", [-1.0, math.nan, "1"])
def test_a_smallest_difference_is_a_number(by: Any):
    for make in (
        lambda: compare(best_accuracy(), smaller="a", than="b", by=by),
        lambda: at_least(best_accuracy(), 70, by=by),
        lambda: alike(best_accuracy(), "a", "b", within=by),
        lambda: lowered_by_norm(best_accuracy(), by=by),
    ):
        with pytest.raises(UserError, match="it must be a finite number"):
            make()


def test_claims_are_on_members_of_their_study():
    typo = Claim(
        "x",
        "y",
        both(
            at_least(best_accuracy(), 1, by=1, of="vgg-a"),
            compare(best_accuracy(), greater="vgg-a", than="vgg-a-bnn", by=1),
        ),
    )
    own = dataclasses.replace(shipped_study("vgg_family"), claims=(typo,))
    with pytest.raises(UserError, match=r"'x' on 'vgg-a-bnn', which is not among its members; they are vgg-a,"):
        make_plan(own)
    with pytest.raises(UserError, match="has the judge Quantity"):
        Claim("x", "y", best_accuracy())  # pyright: ignore[reportArgumentType]


def test_what_needs_no_training_is_decided_by_a_plan_and_at_every_scale(tmp_path: Path):
    own = shipped_study("resnet_depth")
    found = decided_untrained(own)
    assert [(judged.verdict, judged.label) for judged in found] == [("holds", "holds")] * 2
    scaled = study(tmp_path, "resnet_depth", {"resnet-18": M()}, scale=0.1)
    pictures.write_architecture(scaled.folder, residual_blocks.tables())
    labels = [judged.label for judged in judge(own.sized("cpu"), scaled)]
    assert labels[:2] == ["holds", "holds"]
    assert set(labels[2:]) == {"not decided (scaled)"}


@pytest.mark.parametrize(
    ("name", "statement", "says"),
    [
        ("vgg_family", "light performs", "1 percentage point"),
        ("vgg_family", "the late test loss", "0.02 nats"),
        ("vgg_family", "without dropout", ""),
        ("gradients", "greatly decreases", "a factor of 2"),
    ],
)
def test_the_smallest_difference_that_counts_has_its_unit(tmp_path: Path, name: str, statement: str, says: str):
    spec = vgg() if name == "vgg_family" else probed(BETA.format("same_batch"), 5.0, 50.0)
    found = [
        claim
        for claim in judge(shipped_study(name), study(tmp_path, name, spec))
        if statement in claim.statement.lower()
    ]
    assert found[0].smallest == says


def test_learning_rates_are_no_seeds(tmp_path: Path):
    spec = {f"{name}-learning-rate-{rate:g}": M() for name in ("a", "b") for rate in (0.1, 0.2, 0.3)}
    found = synthetic.study(tmp_path, "mine", spec)
    with pytest.raises(Missing, match=r"a has 3 runs of seed 0, such as at several learning rates.* name one"):
        compare(last("test_accuracy"), greater="a", than="b", by=1)(found)


def test_a_factor_below_one_is_told(tmp_path: Path):
    found = synthetic.study(tmp_path, "mine", {name: M(steps={"x": np.ones(9)}) for name in ("a", "b")})
    typical = over_steps("x", np.median, "x")
    for judge_ in (alike(typical, "a", "b", within=0.02), compare(typical, greater="a", than="b", by=0)):
        with pytest.raises(UserError, match=r"is (0\.02|0); it is a factor, so it must be at least 1"):
            judge_(found)
    with pytest.raises(UserError, match="by of grows"):
        grows(typical, ["a", "b"], by=0.5)
    with pytest.raises(UserError, match="least of ratio"):
        ratio(typical, "a", "b", least=0)


def test_a_run_that_diverged_is_not_one_of_every_run(tmp_path: Path):
    reached = Quantity("reach it", lambda run: 1.0)
    found = synthetic.study(tmp_path, "mine", {"a": M(spread=(0, 0.1)), "b": M(status="diverged")})
    assert every_run(reached, ["a"])(found).comparisons == (Fact("2 of 2 runs reach it", True),)
    assert every_run(reached, ["a", "b"])(found).comparisons == (Fact("2 of 3 runs reach it", False),)
    with pytest.raises(Missing, match="Every run of b diverged"):
        epochs_to_common_level("test_loss", ["b"])(found)


def test_epochs_are_those_of_the_rows(tmp_path: Path):
    """A row that was lost moves no other one."""
    accuracies = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    synthetic.study(tmp_path, "mine", {"a": M(test_accuracy=accuracies)})
    file = tmp_path / "mine" / "a" / "seed-0" / "metrics.jsonl"
    rows = file.read_text().splitlines(keepends=True)
    file.write_text("".join([rows[0], *rows[2:]]))
    ((run,),) = (study_.runs for study_ in read_studies(tmp_path / "mine"))
    assert best_accuracy(until=3).of(run) == pytest.approx(30)
    assert _first_epoch(run, "test_accuracy", 0.5) == 5


def test_verdicts_of_two_pages_are_decided_again_together():
    """A comparison that holds alone can stay open when it is judged with others."""

    def claim(a: float) -> Judged:
        order = Order("x", "greater", (a, a + 0.1, a + 0.2), (0.0, 0.1, 0.2), 0.05)
        (decision,) = decide_all([order])
        answer, reasons = all_of([decision])
        tests = (finite({"kind": "Order", **dataclasses.asdict(order), **dataclasses.asdict(decision)}),)
        return Judged("s", "d", (), 3, "cifar10", answer, tuple(reasons), tests=tests)

    clear, chance = claim(0.25), claim(0.01)
    assert (clear.verdict, chance.verdict) == ("holds", "not decided")
    again = decided_together([clear, chance])
    assert [each.verdict for each in again] == ["not decided", "not decided"]
    assert again[0].tests[0]["p"] == clear.tests[0]["p"] < again[0].tests[0]["p_adjusted"]
    old = dataclasses.replace(clear, tests=({"kind": "Order"},))
    assert decided_together([old]) == [old]
