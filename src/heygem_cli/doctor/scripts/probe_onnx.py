"""Run a network in ONNX Runtime and report which execution provider the session got.

``--preload`` first loads the CUDA libraries from packages, as heygem does; ``--torch`` imports torch, as HeyGem does.
"""

from __future__ import annotations

import json
import sys

# One Relu node, IR version 7, opset 13: supported by every ONNX Runtime since 1.6.
MODEL = bytes.fromhex(
    "080712003a330a0c0a0178120179220452656c751201675a0f0a0178120a0a08080112040a02080162"
    "0f0a0179120a0a08080112040a02080142040a00100d"
)


def main() -> None:
    """Create a session, run it, and print the facts."""
    import contextlib

    import numpy

    if "--torch" in sys.argv:
        with contextlib.suppress(ImportError, OSError):  # reported by another check
            import torch  # noqa: F401
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if "--preload" in sys.argv:
        from heygem_cli.onnx import load_cuda_libraries

        load_cuda_libraries(sys.path)
    providers = [each for each in ("CUDAExecutionProvider", "CPUExecutionProvider") if each in available]
    session = onnxruntime.InferenceSession(MODEL, providers=providers)
    output = session.run(None, {"x": numpy.array([-1.0], numpy.float32)})[0]
    print(json.dumps({"provider": session.get_providers()[0], "correct": float(output[0]) == 0.0}))


if __name__ == "__main__":
    main()
