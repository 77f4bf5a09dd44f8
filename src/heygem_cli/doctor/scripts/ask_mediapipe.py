"""Does MediaPipe load, with its models, as heygem uses it?"""

from __future__ import annotations

import json

import numpy

from heygem_cli.face.tracker import MediaPipeTracker

if __name__ == "__main__":
    # I420: a grey picture without a face, 64 × 64.
    faces = MediaPipeTracker().detect(numpy.full((96, 64), 128, numpy.uint8))
    print(json.dumps({"faces": len(faces)}))
