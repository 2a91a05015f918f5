"""Records on disk become figures, tables and a page; trains nothing."""

from jaxcifar.report.page import write_report as write_report
from jaxcifar.report.sources import store_claims as store_claims
