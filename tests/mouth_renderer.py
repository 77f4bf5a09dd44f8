"""A renderer of one person that needs no video."""

import os
from dataclasses import dataclass

import numpy as np

from heygem_cli.face.geometry import CHIN, LIPS, canonical_face, head_pose
from heygem_cli.mesh.cover import CoverFinder
from heygem_cli.mesh.cover_network import CoverNetwork
from heygem_cli.mesh.drawn_mouth import draw_mouth
from heygem_cli.mesh.mouth_pictures import MouthPictures
from heygem_cli.mesh.painter import Painter
from heygem_cli.mesh.renderer import FaceRenderer
from heygem_cli.mesh.targets import ClosedMouth
from heygem_cli.mesh.teeth import BANK
from heygem_cli.runtime import read_settings


@dataclass
class MouthRenderer:
    """Renders single frames."""

    renderer: FaceRenderer

    def render(self, frame, landmarks, motion):
        """Return the rendered frame, None if the mouth is hidden."""
        return self.renderer.render([frame], [0], landmarks[None], motion[None], np.ones(1, np.float32))[0]


def make_renderer(frame, landmarks, network=None, mouth=None, lips=None):
    """Return a renderer of the person with these landmarks, whose mouth is closed in the frame, and closed lips."""
    pose = head_pose(landmarks, canonical_face())
    closed = ClosedMouth(
        pose.to_canonical(landmarks[[*LIPS, CHIN]]), np.float32([0, 0]), np.zeros((2, 41, 3), np.float32)
    )
    settings = read_settings(os.environ)
    covers = CoverFinder(network or CoverNetwork("cpu", settings))
    drawn = draw_mouth(mouth or BANK[0], frame, landmarks)
    return MouthRenderer(FaceRenderer(closed, 1.0, MouthPictures(drawn, lips), Painter("cpu", settings), covers))


def jaw_motion(by):
    """Return a motion that lowers the lower lip, most in its middle, and the chin, as in speech."""
    motion = np.zeros((41, 3), np.float32)
    for rows in (range(11, 20), range(31, 40)):
        motion[list(rows), 1] = by * np.sin(np.linspace(0.1, 0.9, 9) * np.pi)
    motion[40, 1] = 0.8 * by
    return motion
