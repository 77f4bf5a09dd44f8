import sys

import cv2
from benchmarks.age_look import main

from portrait import portrait


def test_table_has_a_row_for_each_group_of_the_faces(tmp_path, monkeypatch, capsys):
    for name in ("26_1_3_a.jpg", "5_0_3_b.jpg", "member.jpg", "1_0_0_c.jpg"):
        cv2.imwrite(str(tmp_path / name), portrait())
    monkeypatch.setattr(sys, "argv", ["age_look", str(tmp_path)])
    main()
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [(row[1].strip(), row[2].strip(), row[5].strip()) for row in rows] == [
        ("4 to 6 years", "1", "0 (0.0 %)"),
        ("20 to 29 years", "1", "0 (0.0 %)"),
        ("adults", "1", "0 (0.0 %)"),
        ("origin 3, from 20 years", "1", "0 (0.0 %)"),
    ]
