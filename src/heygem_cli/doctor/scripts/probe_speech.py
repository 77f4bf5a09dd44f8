"""Load the speech model and verify its checksum."""

from __future__ import annotations

import json
import os

from heygem_cli.runtime import Settings
from heygem_cli.speech.encoder import SpeechEncoder, find_whisper

if __name__ == "__main__":
    folder = find_whisper(os.environ)
    SpeechEncoder(folder, Settings())
    print(json.dumps({"folder": str(folder)}))
