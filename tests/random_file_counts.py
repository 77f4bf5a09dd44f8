"""Count what the random files were, and say so at the end, so that tests which no longer test anything are noticed.

A plugin of the whole test run: of several processes, the one that prints loads no conftest.py of a subfolder.
"""

import itertools
from collections import Counter

import pytest

MADE = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def made(pytestconfig: pytest.Config) -> Counter[str]:
    """How many files were made, by container and codec, and how many could not be made."""
    return pytestconfig.stash.setdefault(MADE, Counter())


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a process of pytest-xdist, which prints nothing itself
        session.config.workeroutput["made"] = dict(session.config.stash.get(MADE, Counter()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    counts = getattr(node, "workeroutput", {}).get("made", {})  # a process that crashed has none
    node.config.stash.setdefault(MADE, Counter()).update(counts)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash.get(MADE, Counter())
    if counts:
        terminalreporter.section("random files")
    for kind, group in itertools.groupby(sorted(counts.items()), lambda item: item[0].partition(": ")[0]):
        listed = ", ".join(f"{count} {name.partition(': ')[2]}" for name, count in group)
        terminalreporter.write_line(f"{kind}: {listed}")
