"""Random combinations of container, codec, rate, shape, colours and tracks: the output is what a player shows.

``HEYGEM_COMBINATIONS=2000`` tests more of them. A number is a seed: the same one always makes the same files.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import shown
from formats import CONTAINERS, SOUND_FILES, STILLS, VIDEO_CODECS
from generate import random_recipe
from make import CannotMakeError, make
from passing import PassingPipeline
from recipe import Recipe
from verdict import differences

COMBINATIONS = int(os.environ.get("HEYGEM_COMBINATIONS", "300"))
CANNOT_BE_MADE = "skipped: cannot be made"


@pytest.fixture(scope="module")
def pipeline() -> Iterator[PassingPipeline]:
    with pytest.MonkeyPatch.context() as patch:
        yield PassingPipeline(patch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all combinations use in turn: thousands of them would fill a disk."""
    return tmp_path_factory.mktemp("combination")


@pytest.mark.parametrize("seed", range(COMBINATIONS))
def test_output_is_what_a_player_shows(seed: int, pipeline: PassingPipeline, folder: Path, made: Counter[str]):
    recipe = random_recipe(seed)
    try:
        face, audio = make(recipe, folder)
    except CannotMakeError as error:
        made[CANNOT_BE_MADE] += 1
        pytest.skip(f"{recipe}: {error}")
    made.update(kinds(recipe))
    output = folder / f"output.{recipe.output}"
    heard = pipeline.run(face, audio, output, recipe.bits)
    wrong = differences(recipe, shown.read(output), heard)
    assert not wrong, "\n".join([str(recipe), *wrong])


def kinds(recipe: Recipe) -> Iterator[str]:
    """Yield what a combination is an example of."""
    yield f"container: {recipe.container}"
    yield "codec: still image" if recipe.is_still else f"codec: {recipe.codec}"
    yield f"pixel format: {recipe.pixel_format}"
    yield f"sound codec: {recipe.sound.codec}"
    yield f"sound file: {recipe.sound_file or 'the video'}"
    yield f"output: {recipe.output} {recipe.bits} bit"
    yield from (
        f"feature: {name}"
        for name, present in (
            ("orientation", recipe.orientation != 1),
            ("crop", any(recipe.crop)),
            ("missing frames", recipe.holes),
            ("sample aspect ratio", recipe.aspect != 1),
            ("full range", recipe.full_range),
            ("matrix tag", recipe.matrix),
            ("alpha", recipe.transparent is not None),
            ("several sound tracks", len(recipe.sounds) > 1),
            ("another video track", recipe.other_video),
            ("late sound", recipe.offset),
        )
        if present
    )


@pytest.mark.skipif(COMBINATIONS < 300, reason="too few combinations")
def test_every_format_has_been_tried(made: Counter[str]):
    done = sum(count for name, count in made.items() if name.startswith(("container: ", CANNOT_BE_MADE)))
    if done < COMBINATIONS:
        pytest.skip("only some of the combinations were run")
    tried = {name.partition(": ")[2] for name in made}
    assert tried >= {*CONTAINERS, *STILLS, *SOUND_FILES, *VIDEO_CODECS}
    assert made[CANNOT_BE_MADE] < COMBINATIONS / 50
