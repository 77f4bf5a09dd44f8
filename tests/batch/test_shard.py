"""Tests of shards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygem_cli.batch.shard import Shard, parse_shard
from heygem_cli.errors import InputError

SLURM = {
    "SLURM_ARRAY_TASK_ID": "5",
    "SLURM_ARRAY_TASK_COUNT": "4",
    "SLURM_ARRAY_TASK_MIN": "3",
    "SLURM_ARRAY_TASK_MAX": "6",
}


@given(st.sets(st.text(max_size=8)), st.integers(1, 9))
def test_every_row_is_in_one_shard(names, count):
    shards = [Shard(index, count) for index in range(1, count + 1)]
    assert all(sum(shard.contains(name) for shard in shards) == 1 for name in names)


def test_shards_are_stable_and_about_even():
    counts = [sum(Shard(index, 4).contains(f"clip-{n}") for n in range(1000)) for index in range(1, 5)]
    assert counts == [266, 252, 235, 247]


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("2/3", {}, Shard(2, 3)),
        ("auto", SLURM, Shard(3, 4)),
        ("auto/9", {"SLURM_ARRAY_TASK_ID": "5"}, Shard(6, 9)),
        ("auto/8", {"JOB_COMPLETION_INDEX": "0"}, Shard(1, 8)),
    ],
)
def test_shard_is_parsed(text, environment, shard):
    assert parse_shard(text, environment) == shard
    assert str(shard) == f"{shard.index}/{shard.count}"


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("0/3", {}, "no shard 0 of 3"),
        ("4/3", {}, "no shard 4 of 3"),
        ("1/0", {}, "no shard 1 of 0"),
        ("half", {}, "this is not a shard"),
        ("1" * 60 + "/" + "9" * 60, {}, "this is not a shard"),
        ("1/" + "9" * 5000, {}, "this is not a shard"),
        ("auto/" + "9" * 60, {"JOB_COMPLETION_INDEX": "1"}, "this is not a shard"),
        ("١/٢", {}, "this is not a shard"),
        ("auto/4", {"JOB_COMPLETION_INDEX": "9" * 5000}, "is not a number"),
        ("x\x1b[31m", {}, r"--shard x\\x1b\[31m: this is not a shard"),
        ("auto", {}, "SLURM_ARRAY_TASK_ID is not set"),
        ("auto", {"JOB_COMPLETION_INDEX": "0"}, "use --shard auto/N"),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_MAX": "9"}, "has gaps"),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_COUNT": "x"}, "SLURM_ARRAY_TASK_COUNT='x' is not a number"),
        ("auto/8", {}, "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set"),
        ("auto/8", {"JOB_COMPLETION_INDEX": "8"}, "no shard 9 of 8"),
    ],
)
def test_invalid_shard_is_an_error(text, environment, message):
    with pytest.raises(InputError, match=message):
        parse_shard(text, environment)
