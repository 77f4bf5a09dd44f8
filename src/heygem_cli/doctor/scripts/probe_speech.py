"""Load the speech model and verify its checksum."""

from __future__ import annotations

import os

from heygem_cli.runtime import Settings
from heygem_cli.speech.encoder import SpeechEncoder, find_whisper

if __name__ == "__main__":
    SpeechEncoder(find_whisper(os.environ), Settings())
    print("{}")
