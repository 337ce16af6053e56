"""Measure the coverage of Python programs that get a few variables only: PYTHONPATH leads them here.

The handler's decoders are such: a process with a list of allowed variables, whose children end by ``os._exit``.
"""

from pathlib import Path

from coverage import Coverage

_ROOT = Path(__file__).resolve().parents[3]

if Coverage.current() is None:  # coverage's own hook has not started it
    measured = Coverage(config_file=str(_ROOT / "pyproject.toml"), data_file=str(_ROOT / ".coverage"), auto_data=True)
    measured.set_option("run:patch", ["_exit", "fork"])
    measured.set_option("run:disable_warnings", ["no-data-collected"])  # a child may be killed before it decodes
    measured.start()
