"""The room of every file below OUT: named, written, checked and read here. Knows no JAX and no config class.

`run` has the folder of one run, `study` the runs of a study, `pictures` and `snapshots` what is measured after
training, `manifest` study.json, `judged` claims.json, `report` the report's folder, `restart` what may be deleted,
`files` the atomic writes, `disk` its errors in one sentence, `lock` the locks by which processes share a folder,
`liveness` whether a lock's holder is still alive.
"""

from jaxcifar.records.disk import disk_errors_told as disk_errors_told
from jaxcifar.records.files import Arrays as Arrays
from jaxcifar.records.files import has_partial as has_partial
from jaxcifar.records.files import local_path as local_path
from jaxcifar.records.files import read_arrays as read_arrays
from jaxcifar.records.files import read_json as read_json
from jaxcifar.records.files import remove_partial as remove_partial
from jaxcifar.records.files import replacing as replacing
from jaxcifar.records.files import write_arrays as write_arrays
from jaxcifar.records.files import write_json as write_json
from jaxcifar.records.lock import Holder as Holder
from jaxcifar.records.lock import Locks as Locks
from jaxcifar.records.lock import is_lock as is_lock
from jaxcifar.records.lock import locked as locked
from jaxcifar.records.run import CHECKPOINTS as CHECKPOINTS
from jaxcifar.records.run import CONFIG as CONFIG
from jaxcifar.records.run import ENVIRONMENT as ENVIRONMENT
from jaxcifar.records.run import EXPORTED as EXPORTED
from jaxcifar.records.run import MEASURES as MEASURES
from jaxcifar.records.run import METRICS as METRICS
from jaxcifar.records.run import STEPS as STEPS
from jaxcifar.records.run import SUMMARY as SUMMARY
from jaxcifar.records.run import WATCHED as WATCHED
from jaxcifar.records.run import Records as Records
from jaxcifar.records.run import Status as Status
from jaxcifar.records.run import append_metrics as append_metrics
from jaxcifar.records.run import is_complete as is_complete
from jaxcifar.records.run import read as read
from jaxcifar.records.run import read_config as read_config
from jaxcifar.records.run import read_summary as read_summary
from jaxcifar.records.run import write_config as write_config
from jaxcifar.records.run import write_displays as write_displays
from jaxcifar.records.run import write_environment as write_environment
from jaxcifar.records.run import write_metrics as write_metrics
from jaxcifar.records.run import write_sealed_summary as write_sealed_summary
from jaxcifar.records.run import write_steps as write_steps
from jaxcifar.records.run import write_summary as write_summary
