from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from heygem_cli.errors import InputError
from heygem_cli.face.geometry import canonical_face
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import read_frames

pytest.importorskip("mediapipe", reason="the benchmark needs the extra `train`")

from benchmarks.people_actors import Actor, to_i420
from benchmarks.people_clean import nothing_covered
from benchmarks.people_cover_scores import covered_share, lower_face, score_cover
from benchmarks.people_covers import COVERS, cover_composite
from benchmarks.people_identity import equal_error_rate
from benchmarks.people_render import Rendered, RenderedFrame, visible_share
from benchmarks.people_scenes import Composite, Layer, Scene, Shot, make_composites
from benchmarks.people_speakers import score_speakers

from benchmarks import people, people_covers, people_render, people_scenes, people_sheet

WIDTH, HEIGHT, EYES = 200, 160, 40


def make_actor(name: str, level: int) -> Actor:
    """Return an actor with a plain picture, whose face moves a little; the cutout is the middle of it."""
    points = canonical_face()[:, :2] * EYES + np.array([100, 70])
    landmarks = np.stack([points + np.array([time % 3, 0]) for time in range(6)]).astype(np.float32)
    actor = Actor(name, 25, tuple(np.full((HEIGHT, WIDTH, 3), level, np.uint8) for _ in range(6)), landmarks)
    cutout = np.zeros((HEIGHT, WIDTH), np.float32)
    cutout[:, 60:140] = 1
    actor.__dict__["cutouts"] = (cutout,) * 6  # known, without the network that finds it
    return actor


@pytest.fixture(scope="module")
def cast() -> list[Actor]:
    return [make_actor("anna", 60), make_actor("ben", 140), make_actor("carl", 220)]


def composites(cast: list[Actor]) -> dict[str, Composite]:
    return {each.name: each for each in make_composites(cast)}


def names(scene: Scene) -> list[str]:
    return [each.name for each in scene.people]


def test_cut_changes_who_is_there(cast: list[Actor]) -> None:
    scenes = list(composites(cast)["cut to a listener"].scenes())
    assert [names(scenes[i]) for i in (0, 25, 26, 51, 52)] == [["anna"], ["anna"], ["ben"], ["ben"], ["anna"]]
    assert scenes[25].picture.mean() == 60
    assert scenes[26].picture.mean() == 140


def test_two_shot_shows_both_side_by_side(cast: list[Actor]) -> None:
    scene = list(composites(cast)["two-shot"].scenes())[30]
    anna, ben = scene.people
    assert anna.landmarks[:, 0].mean() == pytest.approx(50, abs=2)
    assert ben.landmarks[:, 0].mean() == pytest.approx(150, abs=2)
    assert visible_share(anna) == visible_share(ben) == 1
    assert (scene.picture[:, :100] == 60).all()
    assert (scene.picture[:, 100:] == 140).all()


def test_person_behind_another_is_not_visible(cast: list[Actor]) -> None:
    scenes = list(composites(cast)["crossing behind"].scenes())
    anna = [next(each for each in scene.people if each.name == "anna") for scene in (scenes[0], scenes[35])]
    assert visible_share(anna[0]) > 0.99
    assert visible_share(anna[1]) < 0.1


def test_person_outside_the_picture_is_not_visible(cast: list[Actor]) -> None:
    scenes = list(composites(cast)["leaving and coming back"].scenes())
    shares = [sum(visible_share(each) for each in scene.people if each.name == "anna") for scene in scenes]
    assert shares[0] == shares[-1] == 1
    assert min(shares) == 0


def test_dissolve_is_a_mixture_and_not_certain(cast: list[Actor]) -> None:
    scenes = list(composites(cast)["dissolves"].scenes())
    mixed = [scene for scene in scenes if not scene.certain]
    assert len(mixed) == 20
    assert all(60 < scene.picture.mean() < 140 for scene in mixed)
    assert all(names(scene) in (["anna", "ben"], ["ben", "anna"]) for scene in mixed)


def test_mirrored_layer_mirrors_picture_and_landmarks() -> None:
    actor = make_actor("anna", 60)
    actor.frames[0][:, :50] = 0
    scene = people_scenes.draw([Layer(actor, mirrored=True)], actor.size, 0, 0)
    assert scene.picture[80, 190, 0] == 0
    assert scene.picture[80, 10, 0] == 60
    plain = people_scenes.draw([Layer(actor)], actor.size, 0, 0)
    assert scene.people[0].landmarks[33, 0] == pytest.approx(WIDTH - plain.people[0].landmarks[33, 0])


def test_composites_have_different_names(cast: list[Actor]) -> None:
    assert len({each.name for each in [*make_composites(cast), *COVERS]}) == len(make_composites(cast)) + len(COVERS)


@pytest.mark.parametrize("cover", COVERS, ids=lambda cover: cover.name)
def test_pixels_that_are_not_covered_are_those_of_the_clip(cover: people_covers.Cover) -> None:
    actor = make_actor("anna", 120)
    composite = cover_composite(cover, actor)
    assert composite.effect is not None
    seen = False
    for time in (0, 12, 23):
        scene = composite.effect(time, people_scenes.draw([Layer(actor)], actor.size, 0, time))
        changed = (scene.picture != 120).any(-1)
        assert scene.covered is not None
        assert (scene.covered[changed] > 0).all()
        seen = seen or bool((lower_face(scene.people[0]) * (scene.covered > 0.5)).any())
    assert seen, "nothing is in front of the face"


def covered_shares(name: str) -> list[float]:
    cover = next(each for each in COVERS if each.name == name)
    scenes = cover_composite(cover, make_actor("anna", 120)).scenes()
    return [covered_share(rendered_frame(scene)) for scene in scenes]


def rendered_frame(
    scene: Scene, change: float = 0, where: np.ndarray | None = None, opening: float = 0.1
) -> RenderedFrame:
    """Return a frame that differs from the source by ``change`` where ``where`` is 1."""
    area = np.zeros((HEIGHT, WIDTH), np.float32) if where is None else where
    return RenderedFrame(scene, to_i420(scene.picture), (change * area).astype(np.float32), opening)


def test_masks_cover_the_whole_mouth_and_captions_do_not() -> None:
    assert min(covered_shares("cloth mask, blue")) > 0.98
    assert min(covered_shares("hand over the mouth")) > 0.98
    assert max(covered_shares("bar")) == 0


def test_passing_hand_covers_the_mouth_for_a_while() -> None:
    shares = covered_shares("hand that passes")
    assert shares[0] == shares[-1] == 0
    assert max(shares) > 0.9


def score_two(changes: dict[str, float], **options: float) -> tuple[int, int, int, int]:
    """Score a frame with two people whose mouths change: frames, right, silent, others."""
    actors = make_actor("anna", 60), make_actor("ben", 140)
    composite = Composite("both", (Shot((Layer(actors[0], people_scenes.LEFT, (0.5, 0.5, 1)),)),), "anna")
    layers = [Layer(actors[0], people_scenes.LEFT, (0.5, 0.5, 1)), Layer(actors[1], people_scenes.RIGHT, (0.5, 0.5, 1))]
    scene = people_scenes.draw(layers, (WIDTH, HEIGHT), 0, 0)
    where = sum((changes.get(each.name, 0) * each.mouth for each in scene.people), np.zeros((HEIGHT, WIDTH)))
    scores = score_speakers(Rendered(composite, (rendered_frame(scene, 1, where, **options),)))
    return scores.frames, scores.right, scores.silent, scores.others


def test_who_speaks_is_seen_in_the_pixels_of_the_mouths() -> None:
    assert score_two({"anna": 8}) == (1, 1, 0, 0)
    assert score_two({"anna": 8, "ben": 8}) == (1, 0, 0, 1)
    assert score_two({"ben": 8}) == (1, 0, 1, 1)
    assert score_two({}) == (1, 0, 1, 0)


def test_frame_in_which_the_mouth_should_be_closed_does_not_count() -> None:
    assert score_two({"ben": 8}, opening=0.01) == (0, 0, 0, 0)


def score_covered(change: float, where: str) -> tuple[float, float, float]:
    """Score a face with a dark lower half: mean error, and the shares of frames that speak and that pass."""
    actor = make_actor("anna", 120)
    scene = people_scenes.draw([Layer(actor)], actor.size, 0, 0)
    covered = np.zeros((HEIGHT, WIDTH), np.float32)
    covered[round(float(scene.people[0].landmarks[14, 1])) :] = 1
    if where == "whole mouth":
        covered = lower_face(scene.people[0])
    scene = Scene(scene.picture, scene.people, covered=covered)
    area = lower_face(scene.people[0]) * (covered if where != "uncovered" else 1 - covered)
    composite = Composite("cover", (Shot((Layer(actor),)),), "anna")
    scores = score_cover(Rendered(composite, (rendered_frame(scene, change, area),) * 8))
    return scores.error, scores.speaking / max(1, scores.beside), scores.passed / max(1, scores.whole)


def test_error_counts_covered_pixels_only() -> None:
    assert score_covered(6, "covered")[0] == pytest.approx(6)
    assert score_covered(6, "uncovered")[0] == 0


def test_mouth_beside_a_cover_should_move() -> None:
    assert score_covered(6, "uncovered")[1] == 1
    assert score_covered(6, "covered")[1] == 0


def test_wholly_covered_mouth_should_not_change() -> None:
    assert score_covered(0, "whole mouth")[2] == 1
    assert score_covered(6, "whole mouth")[2] == 0


def test_composites_are_written_without_loss(tmp_path: Path, cast: list[Actor]) -> None:
    scenes = list(cover_composite(COVERS[0], cast[0]).scenes())[:3]
    people_render.write_scenes(scenes, tmp_path / "scenes.mp4", 25)
    frames = list(read_frames(probe_video(tmp_path / "scenes.mp4")))
    assert len(frames) == 3
    assert all((frame == to_i420(scene.picture)).all() for frame, scene in zip(frames, scenes, strict=True))


def test_sheet_shows_frames_that_are_wrong() -> None:
    assert people_sheet.choose_frames(50, []) == [0, 7, 14, 21, 28, 35, 42, 49]
    assert {3, 20} <= set(people_sheet.choose_frames(50, [3, 20]))
    assert len(people_sheet.choose_frames(3, [1])) == 3


def test_missing_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        list(people.make_cases(tmp_path, ["tuned"], None, []))


def test_mouth_of_a_small_face_has_pixels(cast: list[Actor]) -> None:
    layer = Layer(cast[0], people_scenes.CORNER, (0.5, 0.5, 0.3))
    person = people_scenes.draw([layer], (WIDTH, HEIGHT), 0, 0).people[0]
    assert cv2.countNonZero(person.mouth) > 0


def test_equal_error_rate() -> None:
    distances = np.arange(10.0)
    assert equal_error_rate(distances, distances + 10) == 0
    assert equal_error_rate(distances, distances + 8) == pytest.approx(0.1)
    assert equal_error_rate(distances, distances) == pytest.approx(0.5)


def test_network_that_finds_nothing_is_used_within_the_block_only() -> None:
    network = object()
    engine = SimpleNamespace(covers=network)
    with pytest.raises(ZeroDivisionError), nothing_covered(engine):
        assert not engine.covers.predict_image(np.full((8, 6, 3), 99, np.uint8)).any()
        raise ZeroDivisionError
    assert engine.covers is network
