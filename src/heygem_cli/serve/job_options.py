"""The options that a job of ``heygem serve`` may have: those of a row of a manifest that name no file."""

from __future__ import annotations

from collections.abc import Mapping

from heygem_cli.engines import check_options
from heygem_cli.errors import InputError, did_you_mean
from heygem_cli.option_fields import Declared, with_values
from heygem_cli.options import ROW_OPTIONS, RenderOptions

_OF_SERVER = {"engine", "overwrite", "speak", "sound", "drive_audio", "timeline"}
"""Options that the server decides on, or that would name its files."""
JOB_OPTIONS: Mapping[str, Declared] = {name: each for name, each in ROW_OPTIONS.items() if name not in _OF_SERVER}


def render_options(defaults: RenderOptions, given: Mapping[str, object]) -> RenderOptions:
    """Return the options of a job.

    Args:
        defaults: Those of the server.
        given: Values by name, as the Python API takes them, or as text.

    Raises:
        InputError: There is no such option, or its value cannot be used.
    """
    for name in given:
        if name not in JOB_OPTIONS:
            hint = did_you_mean(name, JOB_OPTIONS, f"There are: {', '.join(JOB_OPTIONS)}")
            raise InputError("unknown-option", f"a job takes no option {name!r}", hint=hint)
    options = with_values(defaults, {name: JOB_OPTIONS[name].checked(value) for name, value in given.items()})
    if options.person.picture is not None:  # it would be a file of the server
        message = f"person {options.person}: a server takes no picture of the person"
        hint = "Use a number, a point X,Y, main, largest, left, center or right"
        raise InputError("bad-face-choice", message, hint=hint)
    check_options(options)
    return options
