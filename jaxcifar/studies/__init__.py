"""What a study varies, which measures it takes, which claims of the study it checks."""

from jaxcifar.studies.execute import execute as execute
from jaxcifar.studies.plan import as_study as as_study
from jaxcifar.studies.plan import expand as expand
