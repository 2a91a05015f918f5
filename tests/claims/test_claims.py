"""Every claim on records with known answers, both ways; and what leaves a claim open."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from synthetic import Member as M
from synthetic import study, write_study

from jaxcifar import records
from jaxcifar.claims import CLAIMS, judge, judge_one
from jaxcifar.config import SGD, VGG, Adam, Data, Run, UserError
from jaxcifar.config.stored import read_studies
from jaxcifar.records import pictures

RISING = [0.3, 0.4, 0.5, 0.6, 0.65, 0.7]
SLOW = [0.1, 0.2, 0.3, 0.4, 0.5, 0.7]
STEADY = [0.1, 0.2, 0.3, 0.7, 0.71, 0.72, 0.73, 0.74]
SHAKY = [0.1, 0.2, 0.3, 0.7, 0.6, 0.75, 0.55, 0.74]
FALLING = [2.0, 1.5, 1.0, 0.8, 0.7, 0.6]
LATE = [2.2, 2.1, 2.0, 1.5, 1.0, 0.6]
LOW, HIGH = "-learning-rate-0.01", "-learning-rate-0.1"
BATCHES = ("batch-4", "batch-128", "batch-256")
DEPTHS = {"resnet-18": 11_173_962, "resnet-34": 21_282_122, "resnet-50": 23_520_842}
DEPTHS |= {"resnet-101": 42_512_970, "resnet-152": 58_156_618}
LOSSES = ("cross-entropy", "mse", "smooth-l1", "bce-with-logits")


def members(names, **columns) -> dict[str, M]:
    """Members whose figures come from lists of one value each."""
    return {n: M(**{key: values[i] for key, values in columns.items()}) for i, n in enumerate(names)}


def depths(**columns) -> dict[str, M]:
    return members(DEPTHS, parameters=list(DEPTHS.values()), **columns)


def losses(entropy: M, other: M, status: str = "diverged") -> dict[str, M]:
    low = {name + LOW: entropy if name == "cross-entropy" else other for name in LOSSES}
    return low | {name + HIGH: M(status=status) for name in LOSSES}


def vgg(**members_: M) -> dict[str, M]:
    names = ("vgg-a", "vgg-a-light", "vgg-a-dropout", "vgg-a-bn", "vgg-a-bn-dropout")
    return {name: M() for name in names} | {name.replace("_", "-"): value for name, value in members_.items()}


def band(width_with: float, width_without: float, high: tuple[float, float] = (0.6, 2.0)) -> dict[str, M]:
    """Runs at the study's four rates, and two higher ones that end at the losses `high` with and without BatchNorm."""
    found = {}
    for batch_norm, width, late in ((True, width_with, high[0]), (False, width_without, high[1])):
        for i, rate in enumerate((1e-3, 2e-3, 1e-4, 5e-4, 1e-2, 1e-1)):
            run = Run(model=VGG(norm="batch" if batch_norm else "none"), optimizer=Adam(learning_rate=rate))
            loss = np.full(60, 1.0 + width * min(i, 3) / 3)
            train = 0.6 if i < 4 else late
            found[f"{'bn' if batch_norm else 'plain'}-{rate:g}"] = M(run=run, steps={"loss": loss}, train_loss=train)
    return found


def probed(name: str, with_: float, without: float) -> dict[str, M]:
    """Runs by Adam and SGD with a per-step array of one level."""
    found = {}
    for optimizer in (Adam(), SGD()):
        for batch_norm, level in ((True, with_), (False, without)):
            run = Run(model=VGG(norm="batch" if batch_norm else "none"), optimizer=optimizer)
            values = np.where(np.arange(60) % 10 == 0, level, np.nan)
            found[f"{batch_norm}-{type(optimizer).__name__}".lower()] = M(run=run, steps={name: values})
    return found


def along(with_: float, without: float) -> dict[str, M]:
    """VGG-A and the linear network with every probe of the original paper at one level."""
    found = {}
    for member, level in (
        *(("vgg-a", without), ("vgg-a-bn", with_), ("vgg-a-noisy-bn", with_)),
        *(("linear-25", without), ("linear-25-bn", with_)),
    ):
        probes = {"loss_low": 0.0, "loss_high": level, "distance_high": level, "beta": level}
        steps = {f"gradient_direction/{name}": value for name, value in probes.items()}
        steps |= {"covariate_shift/distance/conv1_1": 0.0, "covariate_shift/distance/output": level}
        values = {name: np.where(np.arange(60) % 5 == 0, value, np.nan) for name, value in steps.items()}
        found[member] = M(steps=values, train_loss=level)
    return found


DISTANCE, BETA = "gradient_distance/{}/last_linear", "beta/{}"
GOOD, BAD = M(test_accuracy=0.8), M(test_accuracy=0.5)
RISES = M(test_loss=[1.0, 0.8, 0.9, 1.2, 1.5, 1.8])
TRIO = ("cnn", "cnn-dropout", "cnn-dropout-all")
CASES = {
    "reaches_71": ({"cnn": M(test_accuracy=0.706)}, {"cnn": M(test_accuracy=0.69)}),
    "epochs_get_faster": (
        members(BATCHES, seconds=[20.0, 10.0, 9.5]),
        members(BATCHES, seconds=[20.0, 10.0, 5.0]),
    ),
    "best_accuracies": (
        members(BATCHES, test_accuracy=[0.71, 0.73, 0.74]),
        members(BATCHES, test_accuracy=[0.71, 0.73, 0.71]),
    ),
    "larger_batch_is_behind": (
        members(BATCHES, test_accuracy=[0.71, 0.64, 0.5]),
        members(BATCHES, test_accuracy=[0.64, 0.71, 0.5]),
    ),
    "larger_batch_needs_epochs": (
        members(BATCHES, test_accuracy=[[0.7] * 6, RISING, [0.1, 0.1, 0.2, 0.3, 0.4, 0.65]]),
        members(BATCHES, test_accuracy=[RISING, [0.7] * 6, RISING]),
    ),
    "larger_rate_helps": (
        members(("batch-256", "batch-256-rate-0.01"), test_accuracy=[SLOW, [0.7] * 6]),
        members(("batch-256", "batch-256-rate-0.01"), test_accuracy=[[0.7] * 6, SLOW]),
    ),
    "dropout_slows": (members(TRIO, train_loss=[0.8, 1.0, 1.2]), members(TRIO, train_loss=[0.8, 1.0, 0.6])),
    "dropout_underfits": (members(TRIO, test_loss=[0.8, 1.0, 1.2]), members(TRIO, test_loss=[0.8, 1.0, 0.6])),
    "reaches_8331": ({"r": M(test_accuracy=0.8331)}, {"r": M(test_accuracy=0.82)}),
    "falls_to_24": ({"r": M(test_loss=0.0024 * 128)}, {"r": M(test_loss=0.0026 * 128)}),
    "reaches_9668": ({"r": M(test_accuracy=0.967)}, {"r": M(test_accuracy=0.955)}),
    "falls_to_12": ({"r": M(test_loss=0.0011 * 128)}, {"r": M(test_loss=0.002 * 128)}),
    "table_3": (depths(), depths() | {"resnet-34": M(parameters=21_283_122)}),
    "epochs_grow_with_depth": (depths(seconds=[1, 2, 3, 4, 5]), depths(seconds=[1, 3, 2, 4, 5])),
    "shallow_trains_fastest": (
        depths(train_loss=[[0.6] * 6, FALLING, FALLING, LATE, LATE]),
        depths(train_loss=[FALLING, [0.6] * 6, FALLING, LATE, LATE]),
    ),
    "shallow_tests_fastest": (
        depths(test_accuracy=[[0.7] * 6, RISING, RISING, SLOW, SLOW]),
        depths(test_accuracy=[SLOW, [0.7] * 6, RISING, RISING, SLOW]),
    ),
    "resnet_50_fluctuates": (
        depths(epochs=[8] * 5, test_accuracy=[STEADY, STEADY, SHAKY, STEADY, STEADY]),
        depths(epochs=[8] * 5, test_accuracy=[SHAKY, STEADY, STEADY, STEADY, STEADY]),
    ),
    "others_fall_to_zero": (
        losses(M(test_loss=0.4), M(train_loss=0.01, test_loss=0.05)),
        losses(M(test_loss=0.4), M(train_loss=0.01, test_loss=0.5)),
    ),
    "cross_entropy_is_best": (
        losses(M(test_accuracy=0.9, train_accuracy=0.99), M()),
        losses(M(test_accuracy=0.6, train_accuracy=0.99), M()),
    ),
    "high_rate_diverges": (losses(M(), M()), losses(M(), M(), "finished")),
    "sigmoid_and_softplus_oscillate": (
        members(("relu", "sigmoid", "softplus"), epochs=[8] * 3, test_accuracy=[STEADY, SHAKY, SHAKY]),
        members(("relu", "sigmoid", "softplus"), epochs=[8] * 3, test_accuracy=[SHAKY, STEADY, SHAKY]),
    ),
    "relus_are_alike": (
        members(("relu", "leaky-relu"), test_accuracy=[0.9, 0.905]),
        members(("relu", "leaky-relu"), test_accuracy=[0.9, 0.92]),
    ),
    "relus_are_best": (
        {"relu": GOOD, "leaky-relu": GOOD, "sigmoid": BAD, "tanh": BAD, "softplus": BAD},
        {"relu": GOOD, "leaky-relu": BAD, "sigmoid": BAD, "tanh": GOOD, "softplus": BAD},
    ),
    "adadelta_trains_best": (
        {n: M() for n in ("sgd", "adagrad", "adam")} | {"adadelta": M(train_loss=0.1, train_accuracy=0.99)},
        {n: M() for n in ("sgd", "adagrad", "adam")} | {"adadelta": M(train_loss=0.9, train_accuracy=0.5)},
    ),
    "sgd_and_adam_are_steadier": (
        members(("sgd", "adam", "adagrad", "adadelta"), epochs=[8] * 4, test_accuracy=[STEADY, STEADY, SHAKY, SHAKY]),
        members(("sgd", "adam", "adagrad", "adadelta"), epochs=[8] * 4, test_accuracy=[SHAKY, STEADY, SHAKY, STEADY]),
    ),
    "light_is_poorer": (vgg(vgg_a_light=BAD), vgg(vgg_a_light=GOOD)),
    "test_loss_rises": (vgg(vgg_a=RISES), vgg()),
    "dropout_keeps_stable": (vgg(), vgg(vgg_a_dropout=RISES)),
    "sgd_fails_without_batch_norm": (
        vgg(vgg_a_sgd=M(train_loss=2.302), vgg_a_light_sgd=M(), vgg_a_bn_sgd=M()),
        vgg(vgg_a_sgd=M(train_loss=1.9), vgg_a_light_sgd=M(), vgg_a_bn_sgd=M()),
    ),
    "adam_converges": (vgg(), vgg(vgg_a=M(train_loss=2.3))),
    "batch_norm_trains_faster": (
        vgg(vgg_a=M(train_loss=LATE), vgg_a_bn=M(train_loss=[0.6] * 6)),
        vgg(vgg_a=M(train_loss=[0.6] * 6), vgg_a_bn=M(train_loss=LATE)),
    ),
    "batch_norm_tests_faster": (
        vgg(vgg_a=M(test_accuracy=SLOW), vgg_a_bn=M(test_accuracy=[0.75] * 6)),
        vgg(vgg_a=M(test_accuracy=[0.7] * 6), vgg_a_bn=M(test_accuracy=SLOW)),
    ),
    "batch_norm_is_best": (vgg(vgg_a_bn=GOOD), vgg(vgg_a_bn=BAD)),
    "batch_norm_overfits": (vgg(vgg_a_bn=RISES), vgg()),
    "dropout_lowers_late_loss": (vgg(vgg_a_bn=RISES), vgg(vgg_a_bn_dropout=RISES)),
    "accuracies_become_the_same": (vgg(), vgg(vgg_a_bn_dropout=BAD)),
    "band_is_narrower": (band(0.2, 0.8), band(0.8, 0.2)),
    "variance_is_smaller": (band(0.2, 0.8), band(0.8, 0.2)),
    "training_is_faster": (band(0.2, 0.8), band(0.8, 0.2)),
    "more_rates_are_usable": (band(0.2, 0.8), band(0.2, 0.8, high=(2.0, 0.6))),
    "distance_is_shorter": (
        probed(DISTANCE.format("same_batch"), 0.1, 0.5),
        probed(DISTANCE.format("same_batch"), 0.5, 0.1),
    ),
    "cross_batch_distance_is_shorter": (
        probed(DISTANCE.format("cross_batch"), 0.1, 0.5),
        probed(DISTANCE.format("cross_batch"), 0.5, 0.1),
    ),
    "beta_is_smaller": (probed(BETA.format("same_batch"), 1, 50), probed(BETA.format("same_batch"), 50, 1)),
    "beta_quantile_is_smaller": (probed(BETA.format("same_batch"), 1, 50), probed(BETA.format("same_batch"), 50, 1)),
    "cross_batch_beta_is_smaller": (
        probed(BETA.format("cross_batch"), 1, 50),
        probed(BETA.format("cross_batch"), 50, 1),
    ),
    "predictiveness": (along(0.01, 1.0), along(0.1, 1.0)),
    "loss_varies_less": (along(0.1, 0.5), along(0.5, 0.1)),
    "effective_beta": (along(0.1, 0.5), along(0.5, 0.1)),
    "covariate_shift": (along(0.5, 0.1), along(0.1, 0.5)),
    "noise_is_harmless": (along(0.1, 0.5), along(0.5, 0.1)),
}
STUDY_OF = {function.__name__: name for name, functions in CLAIMS.items() for function in functions}


def test_every_claim_has_its_case():
    assert set(CASES) | {"gradients_vanish", "gradients_vanish_in_training"} == set(STUDY_OF)


@pytest.mark.parametrize("name", CASES)
def test_a_claim_holds_and_does_not_hold(name: str, tmp_path: Path):
    for answer, spec in zip(("holds", "does not hold"), CASES[name], strict=True):
        claim = judge_one(study(tmp_path / answer, STUDY_OF[name], spec), name)
        assert claim.verdict == answer, claim
        assert claim.seeds == 1
        assert claim.data == "cifar10-jpeg"
        assert claim.statement.endswith(".")
        assert claim.definition
        assert claim.decides
        assert all(number.text for number in claim.numbers)


@pytest.mark.parametrize(("ratio", "answer"), [(0.001, "holds"), (3.0, "does not hold")])
def test_the_gradients_claims(tmp_path: Path, ratio: float, answer: str):
    names = {f"{kind}-{depth}": M() for kind in ("plain", "resnet") for depth in (18, 34)}
    write_study(tmp_path, "residual", names)
    for name in names:
        first = ratio if name.startswith("plain") else 1.0
        norms = {"conv1/kernel": first, "stage2_block1/conv_shortcut": 9.0, "stage4_block2/conv2": 1.0, "output": 7.0}
        records.write_json(
            tmp_path / "residual" / name / "seed-0" / pictures.GRADIENTS, {"norms": {"0": norms, "6": norms}}
        )
    (found,) = judge_results(tmp_path)
    assert [claim.verdict for claim in found] == [answer, answer]


def judge_results(folder: Path):

    return [judge(found) for found in read_studies(folder)]


def test_several_seeds_are_tested(tmp_path: Path):
    clear = members(("vgg-a-bn", "vgg-a-bn-dropout"), test_loss=[1.0, 0.8], spread=[(0.0, 0.01, 0.02)] * 2)
    claim = judge_one(study(tmp_path / "a", "vgg_family", clear), "dropout_lowers_late_loss")
    assert (claim.verdict, claim.seeds) == ("holds", 3)
    assert "Welch's t, p = " in claim.decides
    assert claim.numbers[0].text == "0.81 ± 0.0058 nats"
    noisy = members(("vgg-a-bn", "vgg-a-bn-dropout"), test_loss=[1.0, 0.99], spread=[(0.0, 0.2, 0.4)] * 2)
    claim = judge_one(study(tmp_path / "b", "vgg_family", noisy), "dropout_lowers_late_loss")
    assert claim.verdict == "not decided"
    assert "more seeds would decide" in claim.decides


def test_one_seed_decides_nothing_within_the_margin(tmp_path: Path):
    close = vgg(vgg_a_light=M(test_accuracy=0.697))
    claim = judge_one(study(tmp_path, "vgg_family", close), "light_is_poorer")
    assert claim.verdict == "not decided"
    assert "--seeds 3" in claim.decides


def test_what_leaves_a_claim_open(tmp_path: Path):
    good = {"cnn": M(test_accuracy=0.8)}
    scaled = judge(study(tmp_path / "a", "cnn", good, scale=0.02))[0]
    assert scaled.label == "not decided (scaled)"
    assert scaled.numbers[0].text == "80%"
    part = {"cnn": M(test_accuracy=0.8, run=Run(data=Data(train_size=5000)))}
    assert judge(study(tmp_path / "b", "cnn", part))[0].label == "not decided (scaled)"
    changed = judge(study(tmp_path / "c", "cnn", good, changed=["epochs"]))[0]
    assert (changed.label, "--epochs" in changed.decides) == ("not decided", True)
    assert judge(study(tmp_path / "d", "cnn", good, changed=["precision"]))[0].verdict == "holds"
    shapes = judge(study(tmp_path / "e", "cnn", {"cnn": dataclasses.replace(good["cnn"], data="shapes")}))[0]
    assert (shapes.verdict, "not CIFAR-10" in shapes.decides) == ("not decided", True)


def test_missing_members_leave_it_open(tmp_path: Path):
    claim = judge_one(study(tmp_path / "a", "vgg_family", {"vgg-a": M()}), "light_is_poorer")
    assert (claim.verdict, claim.decides) == ("not decided", "The run vgg-a-light is not there.")
    running = vgg(vgg_a_light=M(status=None))
    claim = judge_one(study(tmp_path / "b", "vgg_family", running), "light_is_poorer")
    assert claim.decides == "The run vgg-a-light, seed 0 has not come to its end."


def test_a_diverged_member_has_an_infinite_loss(tmp_path: Path):
    spec = members(TRIO, train_loss=[0.8, 1.0, 1.2]) | {"cnn-dropout": M(status="diverged", epochs=0)}
    claim = judge_one(study(tmp_path, "dropout", spec), "dropout_slows")
    assert claim.verdict == "holds"
    assert claim.numbers[1].text == "not finite"
    assert math.isinf(claim.numbers[1].values[0])


def test_unknown_studies_and_claims_are_named(tmp_path: Path):
    found = study(tmp_path, "cnn", {"cnn": M()})
    with pytest.raises(UserError, match="'reaches_72' is no claim of cnn; it has reaches_71"):
        judge_one(found, "reaches_72")
    with pytest.raises(UserError, match="'other' is no study with claims; there are cnn, "):
        judge_one(dataclasses.replace(found, name="other"), "reaches_71")
    assert judge(dataclasses.replace(found, name="other")) == []


def test_json_of_a_manifest_that_is_none(tmp_path: Path):
    folder = write_study(tmp_path, "cnn", {"cnn": M()})
    (folder / "study.json").write_text(json.dumps({"runs": [{"x": 1}]}))
    (found,) = judge_results(tmp_path)
    assert found[0].verdict == "not decided"
