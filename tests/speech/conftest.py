from __future__ import annotations

import os

import pytest

from heygem_cli.runtime import read_settings
from heygem_cli.speech.motion import MotionModel


@pytest.fixture(scope="session")
def model() -> MotionModel:
    return MotionModel("cpu", read_settings(os.environ))
