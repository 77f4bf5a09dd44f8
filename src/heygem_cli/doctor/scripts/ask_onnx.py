"""Which provider does a real ONNX Runtime session get?

``--preload`` first loads the CUDA libraries that packages bring, as heygem does.
"""

from __future__ import annotations

import json
import sys

# One Relu node; IR version 7 and opset 13, which every ONNX Runtime since 1.6 reads.
MODEL = bytes.fromhex(
    "080712003a330a0c0a0178120179220452656c751201675a0f0a0178120a0a08080112040a02080162"
    "0f0a0179120a0a08080112040a02080142040a00100d"
)


def main() -> None:
    """Make a session, run it, and print what it got."""
    import numpy
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if "--preload" in sys.argv:
        from heygem_cli.onnx import load_cuda_libraries

        load_cuda_libraries(sys.path)
    wanted = [each for each in ("CUDAExecutionProvider", "CPUExecutionProvider") if each in available]
    session = onnxruntime.InferenceSession(MODEL, providers=wanted)
    result = session.run(None, {"x": numpy.array([-1.0], numpy.float32)})[0]
    answer = {
        "version": onnxruntime.__version__,
        "available": available,
        "provider": session.get_providers()[0],
        "right": float(result[0]) == 0.0,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
