"""The claims of sections 1.1 to 1.3: the basic CNN, its batch size, dropout."""

from __future__ import annotations

from jaxcifar.claims import quantities
from jaxcifar.claims.claim import Evidence, claim
from jaxcifar.claims.comparisons import at_least, at_most, both, fact, greater, less
from jaxcifar.claims.quantities import ACCURACY_MARGIN, over_seeds
from jaxcifar.records.study import StudyResults

BATCHES = ("batch-4", "batch-128", "batch-256")


@claim(
    "1.1",
    "The basic CNN reaches 71% after 6 epochs.",
    "Best test accuracy of epochs 1 to 6 is at least 70.5%, which rounds to the study's 71%. The widths are ours.",
)
def reaches_71(study: StudyResults) -> Evidence:
    member = next(iter(study.members))
    number = over_seeds(study, member, quantities.best_accuracy_until(6), "best of 6 epochs", "%")
    return Evidence((number,), at_least(number.values, 70.5, ACCURACY_MARGIN, "test accuracy"))


@claim(
    "1.2",
    "An epoch takes less time at a larger batch, down to a certain level.",
    "Median seconds an epoch: batch 4 takes at least 1.1 times batch 128, and batch 256 between 0.8 and 1.1 times it.",
)
def epochs_get_faster(study: StudyResults) -> Evidence:
    numbers = tuple(over_seeds(study, name, quantities.seconds_per_epoch, name, "s an epoch") for name in BATCHES)
    small, middle, large = (sum(number.values) / len(number.values) for number in numbers)
    down = fact(small >= 1.1 * middle, f"batch 4 takes {small / middle:.2f} times batch 128")
    level = fact(0.8 <= large / middle <= 1.1, f"batch 256 takes {large / middle:.2f} times batch 128")
    return Evidence(numbers, both(down, level))


@claim(
    "1.2",
    "Best accuracies are 71% at batch 4, 73% at 128 and 73% at 256.",
    "Best test accuracy within 6, 20 and 50 epochs is at least 70.5, 72.5 and 72.5%.",
)
def best_accuracies(study: StudyResults) -> Evidence:
    numbers = tuple(over_seeds(study, name, quantities.best_accuracy, name, "%") for name in BATCHES)
    levels = (70.5, 72.5, 72.5)
    reached = [at_least(n.values, level, ACCURACY_MARGIN, n.label) for n, level in zip(numbers, levels, strict=True)]
    return Evidence(numbers, both(*reached))


@claim(
    "1.2",
    "After 6 epochs, batch 128 has reached only 64%.",
    "Best test accuracy of epochs 1 to 6 at batch 128 is below that at batch 4 (the study has 64 against 71%).",
)
def larger_batch_is_behind(study: StudyResults) -> Evidence:
    numbers = tuple(over_seeds(study, name, quantities.best_accuracy_until(6), name, "%") for name in BATCHES[:2])
    return Evidence(numbers, less(numbers[1].values, numbers[0].values, ACCURACY_MARGIN, "accuracy after 6 epochs"))


@claim(
    "1.2",
    "A larger batch needs more epochs.",
    "Epochs to the highest test accuracy that all three reach grow from batch 4 to 128 and from 128 to 256.",
)
def larger_batch_needs_epochs(study: StudyResults) -> Evidence:
    runs = [run for name in BATCHES for run in quantities.complete(study, name)]
    level = quantities.common_level(runs, "test_accuracy")
    reach = quantities.epochs_to("test_accuracy", level)
    numbers = [over_seeds(study, name, reach, f"{name} to {100 * level:.1f}%", "epochs") for name in BATCHES]
    small, middle, large = (number.values for number in numbers)
    grows = both(greater(middle, small, 1, "128 against 4"), greater(large, middle, 1, "256 against 128"))
    return Evidence(tuple(numbers), grows)


@claim(
    "1.2",
    "A larger learning rate makes up for a larger batch.",
    "Batch 256 at rate 0.01 needs fewer epochs than at 0.001 to the highest test accuracy that both reach.",
)
def larger_rate_helps(study: StudyResults) -> Evidence:
    names = ("batch-256", "batch-256-rate-0.01")
    level = quantities.common_level([r for name in names for r in quantities.complete(study, name)], "test_accuracy")
    reach = quantities.epochs_to("test_accuracy", level)
    slow, fast = (over_seeds(study, name, reach, f"{name} to {100 * level:.1f}%", "epochs") for name in names)
    return Evidence((slow, fast), less(fast.values, slow.values, 1, "rate 0.01 against 0.001"))


ARMS = ("cnn-dropout", "cnn-dropout-all")


@claim(
    "1.3",
    "With dropout the loss falls more slowly.",
    "Train loss, mean over all epochs, is higher with dropout, in both arms.",
)
def dropout_slows(study: StudyResults) -> Evidence:
    measure = quantities.mean_over_epochs("train_loss")
    plain, *arms = (over_seeds(study, name, measure, name, "nats") for name in ("cnn", *ARMS))
    slower = [greater(arm.values, plain.values, 0.05, arm.label) for arm in arms]
    return Evidence((plain, *arms), both(*slower))


@claim(
    "1.3",
    "Dropout leads to underfitting.",
    "At the last epoch the test loss, which is measured without dropout, is higher than the CNN's in both arms, and "
    "the CNN itself does not overfit: its last test loss is at most 1.05 times its least.",
)
def dropout_underfits(study: StudyResults) -> Evidence:
    measure = quantities.last("test_loss")
    plain, *arms = (over_seeds(study, name, measure, name, "nats") for name in ("cnn", *ARMS))
    rise = over_seeds(study, "cnn", quantities.rise("test_loss"), "cnn: last over least")
    worse = [greater(arm.values, plain.values, 0.02, arm.label) for arm in arms]
    return Evidence((plain, *arms, rise), both(*worse, at_most(rise.values, 1.05, 0.02, "rise of the CNN's test loss")))
