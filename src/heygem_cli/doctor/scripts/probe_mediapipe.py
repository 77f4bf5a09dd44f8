"""Load MediaPipe and its models as heygem does."""

from __future__ import annotations

import numpy

from heygem_cli.face.tracker import MediaPipeTracker

if __name__ == "__main__":
    # A grey image of 64 × 64 in I420, without a face.
    MediaPipeTracker().detect(numpy.full((96, 64), 128, numpy.uint8))
    print("{}")
