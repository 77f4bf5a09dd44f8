"""Advice about a container is for its host."""

import pytest

from heygem_cli.heygem.container.advice import advice_at_host
from heygem_cli.heygem.container.client import Container

RESTART = "heygem restart --container server"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "cd /code && rm -f a.onnx && bash download.sh",
            "docker exec -it server sh -c 'cd /code && rm -f a.onnx && bash download.sh'",
        ),
        (
            "/opt/bin/python -m pip install torch 'numpy<2'",
            "docker exec -it server sh -c '/opt/bin/python -m pip install torch '\"'\"'numpy<2'\"'\"''",
        ),
        ("python3 -m pip install torch", "docker exec -it server python3 -m pip install torch"),
        (
            "curl -m 10 -v http://127.0.0.1:8383; tail -n 50 /code/log/dh.log",
            "curl -m 10 -v http://127.0.0.1:8383; docker exec -it server tail -n 50 /code/log/dh.log",
        ),
        (
            "ps -fp 7   # stop it, or use another port",
            "docker exec -it server ps -fp 7   # stop it, or use another port",
        ),
        (
            "${EDITOR:-vi} /code/app.py   # move line 3 up",
            "docker exec -it server sh -c '${EDITOR:-vi} /code/app.py'   # move line 3 up",
        ),
        (
            "export OMP_NUM_THREADS=1   # before HeyGem starts",
            "docker run -e OMP_NUM_THREADS=1 …   # when the container is created",
        ),
        (
            "export LD_LIBRARY_PATH=/opt/lib:$LD_LIBRARY_PATH  # before the process starts",
            "docker run -e LD_LIBRARY_PATH=/opt/lib …   # when the container is created",
        ),
        ("unset CUDA_VISIBLE_DEVICES", "Create the container without CUDA_VISIBLE_DEVICES in its environment"),
        ("docker restart …", "docker restart server"),
        ("nvidia-smi in the container: if it fails, …; docker restart NAME", None),
        ("heygem fix-config --container server", "heygem fix-config --container server"),
        (
            "heygem fix-config --container server && cd /code && python app.py --num_threads 0",
            "heygem fix-config --container server   # and let the container start HeyGem so: "
            "cd /code && python app.py --num_threads 0",
        ),
        ("dmesg | grep -i -e nvrm -e xid | tail", "dmesg | grep -i -e nvrm -e xid | tail"),
        (f"nvidia-smi; {RESTART}", f"docker exec -it server nvidia-smi; {RESTART}"),
        ("Use HeyGem's RTX-50 variant", "Use HeyGem's RTX-50 variant"),
    ],
)
def test_advice_works_on_the_host(text, expected):
    expected = expected or "nvidia-smi in the container: if it fails, …; docker restart server"
    assert advice_at_host(Container("/usr/bin/docker", "server", {}), text) == expected


def test_advice_names_podman():
    container = Container("/usr/bin/podman", "server", {})
    assert advice_at_host(container, "docker run --gpus all …") == "podman run --gpus all …"
    assert advice_at_host(container, "cd /code && ls") == "podman exec -it server sh -c 'cd /code && ls'"
