"""A Slurm of one node, with an authentication service, folders and ports of its own; any user can run it.

To run its tests on Debian: ``apt-get install slurmctld slurmd slurm-client munge``.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SwitchType=switch/none
PlugStackConfig=/dev/null
MailProg=/bin/true
KillWait=20
SchedulerParameters=sched_interval=2,bf_interval=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4096 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""
IN_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def missing_programs() -> list[str]:
    """Return which of Slurm's programs are not installed."""
    return [name for name in PROGRAMS if shutil.which(name, path=IN_PATH) is None]


class SlurmCluster:
    """Starts the services, and ends them in ``close``.

    Args:
        folder: For all its files; empty, and with a short path, since it holds a socket.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}
        self._services: list[subprocess.Popen[bytes]] = []
        for name in ("state", "spool"):
            (folder / name).mkdir()
        key = folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        names = {"host": socket.gethostname().partition(".")[0], "user": getpass.getuser()}
        configuration = CONFIGURATION.format(folder=folder, ports=free_ports(2), **names)
        (folder / "slurm.conf").write_text(configuration)
        try:
            self._start_services()
        except BaseException:
            self.close()
            raise

    def _start_services(self) -> None:
        files = {
            "key-file": "munge.key",
            "socket": "munge.socket",
            "pid-file": "munged.pid",
            "seed-file": "munged.seed",
            "log-file": "munged.log",
        }
        self._start("munged", "--foreground", *(f"--{option}={self.folder / name}" for option, name in files.items()))
        self._wait_until((self.folder / "munge.socket").exists, "munged")
        self._start("slurmctld", "-D")
        self._start("slurmd", "-D")
        self._wait_until(lambda: "idle" in self._ask("sinfo", "-h", "-o", "%T"), "the node")

    def _start(self, program: str, *arguments: str) -> None:
        path = str(shutil.which(program, path=IN_PATH))
        with (self.folder / f"{program}.out").open("wb") as out:
            self._services.append(
                subprocess.Popen([path, *arguments], env=os.environ | self.environment, stdout=out, stderr=out)
            )

    def _ask(self, *command: str) -> str:
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout

    def facts(self, job: str) -> dict[str, str]:
        """Return what Slurm knows of a job, such as ``JobState``, ``Restarts``, ``ExitCode``."""
        return dict(word.split("=", 1) for word in self._ask("scontrol", "show", "job", job).split() if "=" in word)

    def wait_for_end(self, job: str, seconds: float = 120) -> dict[str, str]:
        """Wait until a job is not in the queue any more, and return its facts."""
        self._wait_until(lambda: not self._ask("squeue", "-h", "-j", job).strip(), f"job {job}", seconds)
        return self.facts(job)

    def _wait_until(self, condition, what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what} is not ready:\n{self._messages()}"
            time.sleep(0.2)

    def _messages(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(self.folder.glob("*.out")))

    def close(self) -> None:
        """End the jobs, which would outlive the services, and then these."""
        self._ask("scancel", "--user", getpass.getuser())
        deadline = time.monotonic() + 60
        while self._ask("squeue", "-h").strip() and time.monotonic() < deadline:
            time.sleep(0.2)
        for service in reversed(self._services):
            service.terminate()
            try:
                service.wait(timeout=20)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait()


def free_ports(count: int) -> list[int]:
    """Return numbers of TCP ports that nobody uses."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
