"""Measures of the loss landscape: one class each, with what it writes, costs and shows, as a user's own.

A step measure is taken inside the training program, a snapshot measure after training at the run's snapshots. To add
one: a file here, and its class in `STEP_MEASURES` or `SNAPSHOT_MEASURES`.
"""

from jaxcifar.measures.base import Layers as Layers
from jaxcifar.measures.base import Measure as Measure
from jaxcifar.measures.base import Need as Need
from jaxcifar.measures.base import SnapshotMeasure as SnapshotMeasure
from jaxcifar.measures.base import StepMeasure as StepMeasure
from jaxcifar.measures.base import UnknownMeasure as UnknownMeasure
from jaxcifar.measures.beta import Beta as Beta
from jaxcifar.measures.context import Previous as Previous
from jaxcifar.measures.context import Snapshot as Snapshot
from jaxcifar.measures.context import Snapshots as Snapshots
from jaxcifar.measures.context import Step as Step
from jaxcifar.measures.covariate_shift import CovariateShift as CovariateShift
from jaxcifar.measures.density import Density as Density
from jaxcifar.measures.display import Axis as Axis
from jaxcifar.measures.display import Display as Display
from jaxcifar.measures.display import series as series
from jaxcifar.measures.eigenvalues import Eigenvalues as Eigenvalues
from jaxcifar.measures.feature_rank import FeatureRank as FeatureRank
from jaxcifar.measures.gamma_over_sigma import GammaOverSigma as GammaOverSigma
from jaxcifar.measures.gradient_direction import GradientDirection as GradientDirection
from jaxcifar.measures.gradient_distance import GradientDistance as GradientDistance
from jaxcifar.measures.input_gradients import InputGradients as InputGradients
from jaxcifar.measures.noise_floor import NoiseFloor as NoiseFloor
from jaxcifar.measures.plane import Plane as Plane
from jaxcifar.measures.residual_share import ResidualShare as ResidualShare
from jaxcifar.measures.scale_free_norm import ScaleFreeNorm as ScaleFreeNorm
from jaxcifar.measures.sharpness import Sharpness as Sharpness
from jaxcifar.measures.step_reliability import StepReliability as StepReliability
from jaxcifar.measures.top_eigenvalue import TopEigenvalue as TopEigenvalue
from jaxcifar.measures.trace import Trace as Trace
from jaxcifar.measures.trajectory import Trajectory as Trajectory
from jaxcifar.measures.update_direction import UpdateDirection as UpdateDirection

STEP_MEASURES: tuple[type[StepMeasure], ...] = (
    Beta,
    GradientDistance,
    NoiseFloor,
    GradientDirection,
    UpdateDirection,
    StepReliability,
    CovariateShift,
    TopEigenvalue,
    ScaleFreeNorm,
    GammaOverSigma,
)
SNAPSHOT_MEASURES: tuple[type[SnapshotMeasure], ...] = (
    Eigenvalues,
    Trace,
    Density,
    Sharpness,
    Plane,
    Trajectory,
    FeatureRank,
    ResidualShare,
    InputGradients,
)
SHIPPED: dict[str, type[Measure]] = {cls.__name__: cls for cls in (*STEP_MEASURES, *SNAPSHOT_MEASURES)}
