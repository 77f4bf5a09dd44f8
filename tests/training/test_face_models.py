import cv2
import numpy as np
import pytest
from tests.portrait import portrait, scene

from heygem_cli.onnx import models_folder

pytest.importorskip("tflite")
pytest.importorskip("mediapipe")

from training.face_agreement import agreement, onnx_network
from training.tflite_file import TfliteFile

from training import face_models


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, convert in (
        ("face_landmarks.onnx", face_models.convert_landmarks),
        ("face_detector.onnx", face_models.convert_detector),
    ):
        convert(TfliteFile(face_models.mediapipe_model(name)), folder / name)
    return folder


@pytest.mark.parametrize("name", face_models.SOURCES)
def test_the_models_of_the_package_are_what_the_recipe_makes(name, converted):
    picture = cv2.cvtColor(cv2.resize(portrait()[60:360, 100:400], (192, 192)), cv2.COLOR_BGR2RGB)
    made, kept = onnx_network(converted / name)(picture), onnx_network(models_folder() / name)(picture)
    for one, other in zip(made, kept, strict=True):
        np.testing.assert_array_equal(one, other)


def test_converted_networks_agree_with_mediapipe(converted, tmp_path):
    clips = tmp_path / "grid" / "dev"
    clips.mkdir(parents=True)
    cv2.imwrite(str(clips / "portrait.png"), portrait())
    cv2.imwrite(str(clips / "small.png"), scene(960, 540, (300, 200, 200)))
    cv2.imwrite(str(clips / "cut.png"), portrait()[:, 200:])
    regions = face_models.regions(TfliteFile(face_models.mediapipe_model("face_landmarks.onnx")))
    found = agreement(tmp_path, converted, face_models.SOURCE_PATHS, regions)
    for table, pictures in ((found["face_detector.onnx"], 3), (found["face_landmarks.onnx"], 6)):
        for row in table.splitlines()[2:]:
            _, _, count, _, largest, _ = row.split("|")
            assert int(count) == pictures
            assert float(largest) < 1e-3
