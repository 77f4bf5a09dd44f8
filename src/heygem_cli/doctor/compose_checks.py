"""Checks of HeyGem's service in a compose file."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from heygem_cli.doctor import installation_checks as _first  # noqa: F401  (its checks precede these in the output)
from heygem_cli.doctor import probes
from heygem_cli.doctor.check import Finding, check, fail, ok, skip, warn
from heygem_cli.doctor.child_process import ProbeResult
from heygem_cli.doctor.inputs import Inputs
from heygem_cli.doctor.system_checks import in_wsl
from heygem_cli.errors import InputError
from heygem_cli.heygem.installation import compose, tree
from heygem_cli.heygem.installation.files import read_small, real_path


def _needs_compose(judge: Callable[..., Finding]) -> Callable[..., Finding]:
    """Pass HeyGem's services in the compose file, and its path, to a check; skip it if there is none."""

    @functools.wraps(judge)
    def wrapper(inputs: Inputs, *results: ProbeResult) -> Finding:
        path = inputs.compose or (tree.find_compose(inputs.home) if inputs.home else None)
        if path is None:
            return skip("no compose file: name one with --compose")
        try:
            services = compose.heygem_services(compose.parse(read_small(path), path))
        except InputError as error:
            return fail(error.message, "docker compose cannot use it", error.hint or f"docker compose -f {path} config")
        if not services:
            return skip(f"{path} has no service that is HeyGem's")
        return judge(inputs, services, path, *results)

    return wrapper


@check("installation.compose-shm", "compose file: shm_size")
@_needs_compose
def compose_shm(_inputs: Inputs, services: list[compose.Service], path: Path) -> Finding:
    """Check shm_size in the compose file."""
    small = [f"{each.name}: shm_size {each.shm_size or 'not set'}" for each in services if each.small]
    if not small:
        return ok(", ".join(f"{each.name}: {'ipc: host' if each.host_ipc else each.shm_size}" for each in services))
    why = "Docker's default of 64 MiB is too little for DataLoader workers"
    return warn(", ".join(small), why, f"heygem fix-config --compose {shlex.quote(str(path))}")


@check("installation.compose-gpu", "compose file: GPU")
@_needs_compose
def compose_gpu(_inputs: Inputs, services: list[compose.Service], path: Path) -> Finding:
    """Check the GPU reservation in the compose file."""
    without = [each.name for each in services if not each.gpu]
    reservation = "deploy: {resources: {reservations: {devices: [{driver: nvidia, count: all, capabilities: [gpu]}]}}}"
    fix = f"{_edit(path)}   # {reservation}"
    if without:
        return warn(f"no GPU for {', '.join(without)}", "HeyGem runs on the CPU, where its queues block", fix)
    vague = [each.name for each in services if each.vague_devices]
    if vague:
        found = f"{', '.join(vague)}: `runtime: nvidia` beside `devices` without `driver` and `count`"
        why = "where only one of the two is set up, Docker refuses it: could not select device driver with capabilities"
        return warn(found, why, f"{fix} without `runtime`")
    for each in services:
        if problem := _wrong_gpu(each):
            return warn(f"{each.name}: {problem[0]}", problem[1], f"{_edit(path)}   # {problem[2]}")
    return ok(", ".join(each.name for each in services))


def _wrong_gpu(service: compose.Service) -> tuple[str, str, str] | None:
    """Return what is wrong with the GPUs that a service names, why it matters and what to write; None if nothing is."""
    first = service.cuda_devices.split(",")[0].strip()
    named = ", ".join(service.gpus)
    if service.privileged and service.gpus and service.gpus[0] != "0" and not first:
        why = "a privileged container gets every GPU, and HeyGem takes the first one"
        return f"it names GPU {named}, but is privileged", why, f"environment: CUDA_VISIBLE_DEVICES={service.gpus[0]}"
    if not service.privileged and service.gpus and first.isdecimal() and int(first) >= len(service.gpus):
        found = f"CUDA_VISIBLE_DEVICES={first}, but the container gets GPU {named} only, which it counts from 0"
        return found, "HeyGem sees no GPU and runs on the CPU, where its queues block", "without CUDA_VISIBLE_DEVICES"
    return None


@check("installation.compose-image", "compose file: image for the GPU", probes.nvml)
@_needs_compose
def compose_image(_inputs: Inputs, services: list[compose.Service], path: Path, gpus: ProbeResult) -> Finding:
    """Check whether an RTX 50 has the image that was built for it."""
    capabilities = [tuple(each["capability"]) for each in gpus.facts.get("devices", [])]
    images = ", ".join(each.image for each in services if each.image)
    old = [each.image for each in services if compose.image_for_new_gpus(each.image)]
    if not old or not capabilities or max(capabilities) < (10, 0):
        return ok(images or "built here")
    why = "its torch and ONNX Runtime have no kernels for an RTX 50 or newer: CUDA error: no kernel image"
    return fail(
        f"{', '.join(old)} on an RTX 50 or newer", why, f"{_edit(path)}   # image: {compose.image_for_new_gpus(old[0])}"
    )


@check("installation.compose-volumes", "compose file: folders and --map")
@_needs_compose
def compose_volumes(inputs: Inputs, services: list[compose.Service], path: Path) -> Finding:
    """Compare the folders that the container gets with those that --map names."""
    volumes = [(source, target.rstrip("/")) for each in services for source, target in each.volumes]
    shown = ", ".join(f"{source} as {target}" for source, target in volumes)
    windows = [source for source, _ in volumes if re.match(r"[A-Za-z]:[\\/]", source)]
    if windows and not in_wsl(inputs.proc):
        why = "Docker on Linux does not know drives: the container gets no folder, or does not start"
        return warn(f"{windows[0]} is a folder of Windows", why, _edit(path))
    for each in inputs.maps:
        sources = [source for source, target in volumes if target == str(each.container).rstrip("/")]
        if not sources:
            found = f"--map names {each.container}, but the container has only: {shown or 'no folder'}"
            return warn(found, "the service does not find the staged files", _edit(path))
        folders = [real_path(path.parent / source.replace("~", str(inputs.user_home), 1)) for source in sources]
        known = not windows and not any("$" in source for source in sources)  # a variable can be set anywhere
        if known and real_path(each.host) not in folders:
            found = f"{each.container} is {' or '.join(sources)} in the compose file, but {each.host} in --map"
            why = "the service looks for the staged files in another folder, and fails"
            return warn(found, why, f"heygem doctor --map {shlex.quote(f'{folders[0]}:{each.container}')}")
    return ok(shown or "none")


def _edit(path: Path) -> str:
    return f"${{EDITOR:-vi}} {shlex.quote(str(path))}"
