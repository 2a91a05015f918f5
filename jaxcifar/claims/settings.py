"""The claims of sections 1.6 to 1.8: losses, activations, optimizers."""

from __future__ import annotations

from jaxcifar.claims import quantities
from jaxcifar.claims.claim import Evidence, claim
from jaxcifar.claims.comparisons import alike, at_most, both, fact, greater, less
from jaxcifar.claims.quantities import ACCURACY_MARGIN, over_seeds
from jaxcifar.records.study import StudyResults

OTHER_LOSSES = ("mse", "smooth-l1", "bce-with-logits")
LOW, HIGH = "-learning-rate-0.01", "-learning-rate-0.1"


@claim(
    "1.6",
    "All losses but cross-entropy converge close to zero.",
    "At the last epoch of rate 0.01, train and test loss of MSE, SmoothL1 and BCE are at most 0.1, each in its own "
    "unit, and the test loss of cross-entropy is above 0.1.",
)
def others_fall_to_zero(study: StudyResults) -> Evidence:
    numbers, decisions = [], []
    for name in OTHER_LOSSES:
        for key in ("train_loss", "test_loss"):
            number = over_seeds(study, name + LOW, quantities.last(key), f"{name}, {key.replace('_', ' ')}")
            numbers.append(number)
            decisions.append(at_most(number.values, 0.1, 0.02, number.label))
    entropy = over_seeds(study, "cross-entropy" + LOW, quantities.last("test_loss"), "cross-entropy, test loss")
    decisions.append(greater(entropy.values, [0.1] * len(entropy.values), 0.02, entropy.label))
    return Evidence((*numbers, entropy), both(*decisions))


@claim(
    "1.6",
    "Cross-entropy is the most accurate, in training and in test.",
    "At rate 0.01, best test accuracy and last train accuracy are above those of every other loss.",
)
def cross_entropy_is_best(study: StudyResults) -> Evidence:
    numbers, decisions = [], []
    for measure, what in ((quantities.best_accuracy, "test"), (quantities.last("train_accuracy"), "train")):
        entropy, *others = (
            over_seeds(study, name + LOW, measure, f"{name}, {what}", "%") for name in ("cross-entropy", *OTHER_LOSSES)
        )
        numbers += [entropy, *others]
        decisions += [greater(entropy.values, other.values, ACCURACY_MARGIN, other.label) for other in others]
    return Evidence(tuple(numbers), both(*decisions))


@claim(
    "1.6",
    "At learning rate 0.1 the loss becomes NaN.",
    "With every loss, the run at rate 0.1 ends with a loss that is not finite.",
)
def high_rate_diverges(study: StudyResults) -> Evidence:
    names = ("cross-entropy", *OTHER_LOSSES)
    numbers = tuple(over_seeds(study, name + HIGH, quantities.diverged, f"{name} diverged", "of 1") for name in names)
    values = [value for number in numbers for value in number.values]
    return Evidence(numbers, fact(all(values), f"{sum(values):.0f} of {len(values)} runs diverged"))


@claim(
    "1.7",
    "Sigmoid and softplus oscillate on the test set.",
    "Standard deviation of the change of test accuracy from epoch to epoch, over the last half: above ReLU's for both.",
)
def sigmoid_and_softplus_oscillate(study: StudyResults) -> Evidence:
    relu, *others = (
        over_seeds(study, name, quantities.oscillation, name, "points") for name in ("relu", "sigmoid", "softplus")
    )
    return Evidence((relu, *others), both(*(greater(o.values, relu.values, 0.5, o.label) for o in others)))


@claim(
    "1.7",
    "ReLU and leaky ReLU perform alike.",
    "Their best test accuracies differ by at most 1 point.",
)
def relus_are_alike(study: StudyResults) -> Evidence:
    relu, leaky = (over_seeds(study, name, quantities.best_accuracy, name, "%") for name in ("relu", "leaky-relu"))
    return Evidence((relu, leaky), alike(relu.values, leaky.values, ACCURACY_MARGIN, "best test accuracy"))


@claim(
    "1.7",
    "ReLU and leaky ReLU overtake the other activations.",
    "The best test accuracy of each is above those of sigmoid, tanh and softplus.",
)
def relus_are_best(study: StudyResults) -> Evidence:
    ours = [over_seeds(study, name, quantities.best_accuracy, name, "%") for name in ("relu", "leaky-relu")]
    others = [over_seeds(study, name, quantities.best_accuracy, name, "%") for name in ("sigmoid", "tanh", "softplus")]
    above = [greater(a.values, b.values, ACCURACY_MARGIN, f"{a.label} against {b.label}") for a in ours for b in others]
    return Evidence((*ours, *others), both(*above))


@claim(
    "1.8",
    "Adadelta is best in training.",
    "Its last train loss is below, and its last train accuracy above, those of every other optimizer.",
)
def adadelta_trains_best(study: StudyResults) -> Evidence:
    names = ("adadelta", "sgd", "adagrad", "adam")
    loss = [over_seeds(study, n, quantities.last("train_loss"), f"{n}, train loss", "nats") for n in names]
    accuracy = [over_seeds(study, n, quantities.last("train_accuracy"), f"{n}, train accuracy", "%") for n in names]
    lower = [less(loss[0].values, other.values, 0.02, other.label) for other in loss[1:]]
    higher = [greater(accuracy[0].values, other.values, ACCURACY_MARGIN, other.label) for other in accuracy[1:]]
    return Evidence((*loss, *accuracy), both(*lower, *higher))


@claim(
    "1.8",
    "SGD and Adam are steadier in test.",
    "Standard deviation of the change of test accuracy from epoch to epoch, over the last half, is below Adagrad's and "
    "Adadelta's for both.",
)
def sgd_and_adam_are_steadier(study: StudyResults) -> Evidence:
    names = ("sgd", "adam", "adagrad", "adadelta")
    numbers = {name: over_seeds(study, name, quantities.oscillation, name, "points") for name in names}
    pairs = [(numbers[a], numbers[b]) for a in names[:2] for b in names[2:]]
    steadier = [less(a.values, b.values, 0.5, f"{a.label} against {b.label}") for a, b in pairs]
    return Evidence(tuple(numbers.values()), both(*steadier))
