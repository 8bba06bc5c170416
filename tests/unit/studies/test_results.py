"""Results of studies print themselves, and draw themselves in notebooks."""

import numpy as np

from cris.ambiguity import Check, Evidence
from cris.calibration import IDENTITY
from cris.studies.ambiguity import AmbiguityDetection, Judged
from cris.studies.calibration import reliability
from cris.studies.occluders import level
from cris.studies.occlusion_levels import OcclusionLevels
from cris.studies.score_calibration import ScoreCalibration
from tests.fixtures.rows import a_row


def test_occlusion_levels_are_a_table_and_a_plot():
    rows = [a_row(number, picture_id=number, iou=0.5 + number / 100, visible=1.0) for number in range(4)]
    found = OcclusionLevels(levels={"on": [level(rows, 0.5, 0.5)], "beside": [level(rows, 1, 1)]}, record={})
    assert "patch on the target" in str(found)
    assert "│ 0.5           │       4 │    0.515 │" in str(found)
    assert found._repr_html_().startswith("<svg")
    assert "<td>patch beside it</td>" in found._repr_html_()


def test_a_calibration_tells_its_error_before_and_after():
    scores, is_good = np.linspace(0.05, 0.95, 40), np.arange(40) % 2 == 0
    measured = reliability(scores, is_good)
    found = ScoreCalibration(calibration=IDENTITY, measured=measured, before=measured, record={})
    line = f"expected calibration error {measured.ece:.3f} (before: {measured.ece:.3f}); mean risk"
    assert line in str(found)
    assert str(found).splitlines()[0].strip() == "40 answers"
    assert f"<p>{line}" in found._repr_html_()


def test_ambiguity_is_told_by_evidence_and_by_kind():
    check = Check(agreement=0.5, narrowing=0.5)
    judged = [
        Judged(kind=kind, evidence=Evidence(rival=rival, words=2, check=check))
        for kind, rival in (("ambiguous", 0.9), ("ambiguous", 0.8), ("size", 0.1), ("category", 0.85))
    ]
    found = AmbiguityDetection(judged)
    assert found.by_kind == {"category": 0.5, "size": 1.0}
    assert found.by_evidence["rival"] == 0.75
    assert "│ size              │ 1.000 │" in str(found)
    assert found._repr_html_().startswith("<svg")
