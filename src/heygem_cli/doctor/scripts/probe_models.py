"""Open every network of a folder, run it once, and report those that cannot be run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from heygem_cli.errors import NotCapableError
from heygem_cli.onnx import make_session
from heygem_cli.runtime import Settings


def main() -> None:
    """Run the networks, and print a list of problems."""
    problems: list[str] = []
    for model in sorted(Path(sys.argv[1]).glob("*.onnx")):
        try:
            make_session(model, "cpu", Settings())
        except NotCapableError as error:
            problems.append(error.message)
    print(json.dumps({"problems": problems}))


if __name__ == "__main__":
    main()
