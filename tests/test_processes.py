"""Tests of child processes."""

import subprocess
import threading

from heygem_cli.processes import children


def test_children_of_a_process_that_ends_meanwhile_are_none():
    for _ in range(150):
        process = subprocess.Popen(["true"])
        waiter = threading.Thread(target=process.wait)
        waiter.start()
        while process.returncode is None:
            assert children(process.pid) == []
        waiter.join()
