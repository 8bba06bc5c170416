"""Studies of models and data: wrong labels, occlusion, calibration, ambiguity, the paper's experiments."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cris.studies.ablation import ablate
    from cris.studies.ambiguity import measure_ambiguity
    from cris.studies.label_audit import audit
    from cris.studies.occlusion_levels import occlusion
    from cris.studies.reproduction import reproduce
    from cris.studies.score_calibration import calibrate

__all__ = ["ablate", "audit", "calibrate", "measure_ambiguity", "occlusion", "reproduce"]
_MODULES = {
    "ablate": "cris.studies.ablation",
    "audit": "cris.studies.label_audit",
    "calibrate": "cris.studies.score_calibration",
    "measure_ambiguity": "cris.studies.ambiguity",
    "occlusion": "cris.studies.occlusion_levels",
    "reproduce": "cris.studies.reproduction",
}


def __getattr__(name: str) -> object:
    # only when asked for, because each needs other extras of the package
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
