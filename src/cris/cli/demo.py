"""`cris demo`: the abilities of the embedded models, in numbers and in a gallery."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.table import Table
from rich.text import Text

from cris.card import SUMMARY, read_front_matter
from cris.cli.console import figures_table, show
from cris.errors import InputError
from cris.files import atomic_files
from cris.jobs import check_folder, to_json
from cris.progress import track
from cris.registry import DEFAULT_MODEL, SCENES_MODEL, resolve

if TYPE_CHECKING:
    from cris.gallery import CardFigures, GalleryCard

PAGE = "index.html"
MARK = '<meta name="generator" content="cris demo">'


@dataclass(frozen=True, kw_only=True)
class Command:
    """Segment a dozen photographs and a dozen rendered scenes, measure both, and write a gallery.

    Everything comes with the package: nothing is downloaded, and the gallery is one file for any browser.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("demo")
    """Folder for index.html; the page of an earlier demo is replaced."""
    model: str = DEFAULT_MODEL
    """Model that answers the photographs: registered name or folder."""
    scenes_model: str = SCENES_MODEL
    """Model that answers the scenes, and is measured on them: registered name or folder."""
    limit: Annotated[int, tyro.conf.arg(metavar="N")] = 400
    """Measure scenes on the first N samples of their test split, of 2,000."""
    device: str = "auto"
    """Device: cpu, cuda, cuda:1, mps; auto takes the fastest that is there."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the figures as one JSON object, and nothing else."""
    overwrite: bool = False
    """Replace index.html even if it is not the page of a demo."""

    def run(self) -> int:
        """Segment, measure, write the page and print its figures."""
        from cris.data.open import open_dataset
        from cris.data.scenes import Scenes
        from cris.evaluation.ask import measure
        from cris.evaluation.results import Evaluation
        from cris.gallery import figures_of, photograph_cards, render, scene_cards
        from cris.segmenter import Segmenter

        self._check_free()
        dataset = open_dataset("scenes", "test", self.limit)
        summary = read_front_matter(resolve(self.model)).get(SUMMARY, "")
        with atomic_files(self.out) as folder:  # first, as it may be that nothing can be written there
            photographs = photograph_cards(Segmenter.from_pretrained(self.model, self.device))
            scenes_segmenter = Segmenter.from_pretrained(self.scenes_model, self.device)
            scenes = scene_cards(scenes_segmenter)
            rows = track(measure(scenes_segmenter, dataset.images()), total=len(dataset), what="scenes")
            evaluation = Evaluation(list(rows))
            page = render(
                model=self.model,
                summary=summary,
                photographs=photographs,
                scenes_model=self.scenes_model,
                scenes=scenes,
                evaluation=evaluation,
                split_size=len(Scenes("test")),
            )
            (folder / PAGE).write_text(page, encoding="utf-8")
        if self.as_json:
            about = {"photographs": asdict(figures_of(photographs)), "scenes": evaluation.to_dict()}
            sys.stdout.write(to_json({"page": str(self.out / PAGE), **about}))
            return 0
        show(_cards_table([*photographs, *scenes]))
        show(f"{self.model} {_in_words(figures_of(photographs))}")
        show(figures_table(f"{self.scenes_model} on the first {len(dataset)} test scenes", evaluation))
        if summary:
            show(summary)
        show(
            f"To go on from it with images of your own:\n"
            f"  cris train finetune --from {self.model} --data DIR --out DIR\n"
            f"Look at {self.out / PAGE}"
        )
        return 0

    def _check_free(self) -> None:
        check_folder(self.out)
        page = self.out / PAGE
        if self.overwrite or not page.exists():
            return
        if MARK not in page.read_text(encoding="utf-8", errors="replace"):
            raise InputError(f"{page} is not the page of a demo: choose another --out, or pass --overwrite")


def _cards_table(cards: "list[GalleryCard]") -> Table:
    table = Table("sentence", "kind", title="Gallery", title_justify="left")
    table.add_column("score", justify="right")
    table.add_column("IoU", justify="right")
    for card in cards:
        kind = card.kind or "photograph"
        overlap = f"{card.iou:.3f}" if card.iou is not None else "empty" if card.is_empty else "not empty"
        table.add_row(Text(card.sentence), kind, f"{card.score:.3f}", overlap)
    return table


def _in_words(figures: "CardFigures") -> str:
    return (
        f"on these {figures.count} sentences about photographs: mean IoU {figures.mean_iou:.3f}, "
        f"{figures.good} above 0.5; of {figures.absent} things that are not there, "
        f"{figures.absent_empty} left empty"
    )
