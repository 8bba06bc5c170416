"""Prints the weights of `cris.ambiguity`, fitted on the validation split of Scenes, ready to be put there.

python tools/fit_ambiguity.py [MODEL [COUNT]]
"""

import sys
from dataclasses import asdict

from cris.segmenter import Segmenter
from cris.studies.ambiguity import fit_weights, judge_scenes


def main() -> None:
    """Judges `COUNT` scenes (1,000) and as many with ambiguous sentences, by MODEL (cris-scenes)."""
    model = sys.argv[1] if len(sys.argv) > 1 else "cris-scenes"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    judged = list(judge_scenes(Segmenter.from_pretrained(model), "val", count))
    for name, is_checked in (("ALONE", False), ("CHECKED", True)):
        one = fit_weights(judged, is_checked=is_checked)
        parts = ", ".join(f"{part}={value:.3f}" for part, value in asdict(one).items())
        sys.stdout.write(f"{name} = Weights({parts})\n")


if __name__ == "__main__":
    main()
