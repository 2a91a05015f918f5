"""Claims about a study's results: quantities, judges that compare them, and the verdicts.

A study file puts its claims together from the names here; `verdict` decides them.
"""

from jaxcifar.claims.bands import Band as Band
from jaxcifar.claims.bands import band_mean as band_mean
from jaxcifar.claims.bands import band_variance as band_variance
from jaxcifar.claims.bands import band_width as band_width
from jaxcifar.claims.bands import usable_decades as usable_decades
from jaxcifar.claims.evidence import Evidence as Evidence
from jaxcifar.claims.evidence import Judge as Judge
from jaxcifar.claims.evidence import Missing as Missing
from jaxcifar.claims.evidence import Number as Number
from jaxcifar.claims.facts import every_run as every_run
from jaxcifar.claims.facts import grows as grows
from jaxcifar.claims.facts import orders_of_magnitude as orders_of_magnitude
from jaxcifar.claims.facts import ratio as ratio
from jaxcifar.claims.facts import table_says as table_says
from jaxcifar.claims.judged import Judged as Judged
from jaxcifar.claims.judges import about as about
from jaxcifar.claims.judges import above as above
from jaxcifar.claims.judges import alike as alike
from jaxcifar.claims.judges import at_least as at_least
from jaxcifar.claims.judges import at_most as at_most
from jaxcifar.claims.judges import both as both
from jaxcifar.claims.judges import compare as compare
from jaxcifar.claims.judges import loss_in_any_batch as loss_in_any_batch
from jaxcifar.claims.judges import lowered_by_norm as lowered_by_norm
from jaxcifar.claims.judges import not_lowered_by_norm as not_lowered_by_norm
from jaxcifar.claims.judges import raised_by_norm as raised_by_norm
from jaxcifar.claims.judges import show as show
from jaxcifar.claims.quantities import ACCURACY as ACCURACY
from jaxcifar.claims.quantities import LOSS as LOSS
from jaxcifar.claims.quantities import Quantity as Quantity
from jaxcifar.claims.quantities import at_initialization as at_initialization
from jaxcifar.claims.quantities import best_accuracy as best_accuracy
from jaxcifar.claims.quantities import diverged as diverged
from jaxcifar.claims.quantities import epochs_to_common_level as epochs_to_common_level
from jaxcifar.claims.quantities import first_over_last_gradient as first_over_last_gradient
from jaxcifar.claims.quantities import last as last
from jaxcifar.claims.quantities import least as least
from jaxcifar.claims.quantities import mean as mean
from jaxcifar.claims.quantities import mean_over_layers as mean_over_layers
from jaxcifar.claims.quantities import median_width as median_width
from jaxcifar.claims.quantities import of_train_loss as of_train_loss
from jaxcifar.claims.quantities import oscillation as oscillation
from jaxcifar.claims.quantities import over_steps as over_steps
from jaxcifar.claims.quantities import parameters as parameters
from jaxcifar.claims.quantities import rise as rise
from jaxcifar.claims.quantities import share_of_guessing as share_of_guessing
from jaxcifar.claims.seconds import seconds_per_epoch as seconds_per_epoch
from jaxcifar.claims.verdict import judge as judge
from jaxcifar.claims.verdict import judge_page as judge_page
