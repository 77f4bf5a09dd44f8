"""``python -m heygem_cli`` is ``heygem``."""

from heygem_cli.cli.main import run

if __name__ == "__main__":
    run()
