"""Records on disk become figures, tables and a page; trains nothing."""

from jaxcifar.report.page import write_report as write_report
