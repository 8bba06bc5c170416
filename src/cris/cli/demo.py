"""`cris demo`: shows what the embedded model can do, in numbers and in a gallery."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Table
from rich.text import Text

from cris.cli.console import figures_table, progress, show
from cris.cli.output import written_together
from cris.errors import InputError

if TYPE_CHECKING:
    from cris.demo.gallery import Card

PAGE = "index.html"
MARK = '<meta name="generator" content="cris demo">'


@dataclass(frozen=True, kw_only=True)
class Command:
    """Segments a dozen rendered scenes and one photograph, measures the model, and writes a gallery.

    Everything comes with the package: nothing is downloaded, and the gallery is one file for any browser.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("demo")
    """Folder for index.html; the page of an earlier demo is replaced."""
    model: str = "cris-scenes"
    """Registered name or checkpoint folder."""
    limit: Annotated[int, tyro.conf.arg(metavar="N")] = 400
    """Measure on the first N samples of the test split, of 2,000."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""

    def run(self) -> int:
        """Measures, draws, writes the page and prints its figures."""
        from cris.data.scenes import Scenes
        from cris.demo.gallery import environment, make_card, render
        from cris.demo.pictures import CREDIT, PHOTOGRAPH_SENTENCES, gallery_scenes, photograph
        from cris.evaluation.evaluate import evaluate
        from cris.evaluation.examples import SceneExamples
        from cris.evaluation.results import Evaluation
        from cris.segmenter import Segmenter

        environment()  # before the work, should it not be installed
        self._check_free()
        examples = SceneExamples("test", self.limit)
        segmenter = Segmenter.from_pretrained(self.model, self.device)
        rows = progress(evaluate(segmenter, examples), total=len(examples), what="samples")
        evaluation = Evaluation(list(rows))
        scenes = [
            make_card(segmenter.predict(sample.image, sample.sentence), sample.mask, sample.kind)
            for sample in gallery_scenes()
        ]
        found = segmenter.predict(photograph(), list(PHOTOGRAPH_SENTENCES))
        photographs = [make_card(prediction) for prediction in found]
        page = render(
            model=self.model,
            evaluation=evaluation,
            split_size=len(Scenes("test")),
            scenes=scenes,
            photograph=photographs,
            credit=CREDIT,
        )
        with written_together(self.out) as folder:
            (folder / PAGE).write_text(page, encoding="utf-8")
        show(_cards_table([*scenes, *photographs]))
        show(figures_table(f"{self.model} on the first {len(examples)} test scenes", evaluation))
        show(
            f"{self.model} knows rendered scenes, not photographs; to train a model for photographs:\n"
            f"  cris train finetune --from {self.model} --data DIR --out DIR\n"
            f"Look at {self.out / PAGE}"
        )
        return 0

    def _check_free(self) -> None:
        if self.out.exists() and not self.out.is_dir():
            raise InputError(f"--out must name a folder, {self.out} is a file")
        page = self.out / PAGE
        if page.exists() and MARK not in page.read_text(encoding="utf-8", errors="replace"):
            raise InputError(f"{page} is not the page of a demo: choose another --out")


def _cards_table(cards: "list[Card]") -> Table:
    table = Table("sentence", "kind", title="Gallery", title_justify="left")
    table.add_column("score", justify="right")
    table.add_column("IoU", justify="right")
    for card in cards:
        kind = card.kind or "photograph"
        overlap = "–" if card.iou is None else f"{card.iou:.3f}"
        table.add_row(Text(card.sentence), kind, f"{card.score:.3f}", overlap)
    return table
