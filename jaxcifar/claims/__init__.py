"""The claims of the study: one small function each, from a study's results to a verdict with its numbers."""

from __future__ import annotations

from collections.abc import Callable

from jaxcifar.claims import cnn, landscape, resnet, santurkar, settings, vgg
from jaxcifar.claims.claim import Claim as Claim
from jaxcifar.claims.claim import Number as Number
from jaxcifar.config import UserError
from jaxcifar.records.study import StudyResults

CLAIMS: dict[str, tuple[Callable[[StudyResults], Claim], ...]] = {
    "cnn": (cnn.reaches_71,),
    "batch_size": (
        cnn.epochs_get_faster,
        cnn.best_accuracies,
        cnn.larger_batch_is_behind,
        cnn.larger_batch_needs_epochs,
        cnn.larger_rate_helps,
    ),
    "dropout": (cnn.dropout_slows, cnn.dropout_underfits),
    "resnet18": (resnet.reaches_8331, resnet.falls_to_24),
    "resnet18_long": (resnet.reaches_9668, resnet.falls_to_12),
    "resnet_depth": (
        resnet.table_3,
        resnet.epochs_grow_with_depth,
        resnet.shallow_trains_fastest,
        resnet.shallow_tests_fastest,
        resnet.resnet_50_fluctuates,
    ),
    "losses": (settings.others_fall_to_zero, settings.cross_entropy_is_best, settings.high_rate_diverges),
    "activations": (
        settings.sigmoid_and_softplus_oscillate,
        settings.relus_are_alike,
        settings.relus_are_best,
    ),
    "optimizers": (settings.adadelta_trains_best, settings.sgd_and_adam_are_steadier),
    "residual": (resnet.gradients_vanish, resnet.gradients_vanish_in_training),
    "vgg_family": (
        vgg.light_is_poorer,
        vgg.test_loss_rises,
        vgg.dropout_keeps_stable,
        vgg.sgd_fails_without_batch_norm,
        vgg.adam_converges,
        vgg.batch_norm_trains_faster,
        vgg.batch_norm_tests_faster,
        vgg.batch_norm_is_best,
        vgg.batch_norm_overfits,
        vgg.dropout_lowers_late_loss,
        vgg.accuracies_become_the_same,
    ),
    "loss_landscape": (
        landscape.band_is_narrower,
        landscape.variance_is_smaller,
        landscape.training_is_faster,
        landscape.more_rates_are_usable,
    ),
    "gradient_distance": (landscape.distance_is_shorter, landscape.cross_batch_distance_is_shorter),
    "beta_smoothness": (
        landscape.beta_is_smaller,
        landscape.beta_quantile_is_smaller,
        landscape.cross_batch_beta_is_smaller,
    ),
    "santurkar": (
        santurkar.predictiveness,
        santurkar.loss_varies_less,
        santurkar.effective_beta,
        santurkar.covariate_shift,
        santurkar.noise_is_harmless,
    ),
}
"""By study, in the order of the text."""


def judge(study: StudyResults) -> list[Claim]:
    """Every claim about a study, judged; none for a study that the text does not have."""
    return [function(study) for function in CLAIMS[study.name]] if study.name in CLAIMS else []


def judge_one(study: StudyResults, name: str) -> Claim:
    """One claim by its function's name.

    Raises:
        UserError: the study or the claim is unknown.
    """
    if study.name not in CLAIMS:
        raise UserError(f"{study.name!r} is no study with claims; there are {', '.join(CLAIMS)}.")
    known = {function.__name__: function for function in CLAIMS[study.name]}
    if name not in known:
        raise UserError(f"{name!r} is no claim of {study.name}; it has {', '.join(known)}.")
    return known[name](study)
