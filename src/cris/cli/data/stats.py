"""`cris data stats`: contents of a data set, as figures and as a page."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from cris.data.inspection.stats import Statistics

PAGE = "index.html"
_SAMPLES = 24  # on the contact sheet


@dataclass(frozen=True, kw_only=True)
class Command:
    """Count and draw what is in a data set, and print the figures.

    Sentence lengths, words, categories, mask areas, centres, distractors, and the ceiling: the mean IoU that
    a perfect network would reach at several input sizes.
    """

    data: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """Data set to count."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for index.html, with plots and a contact sheet, and results.json."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the content of results.json, and nothing else."""
    overwrite: bool = False
    """Replace the results of another job in DIR."""

    def run(self) -> int:
        """Count, print and draw."""
        from cris.cli.console import show
        from cris.cli.data.console import split_table
        from cris.data.inspection.stats import count
        from cris.data.inspection.stats_page import contact_sheet, render
        from cris.data.store.reading import StoredDataset
        from cris.jobs import Job, to_json, write_record, written_together
        from cris.progress import track

        dataset = StoredDataset(self.data)
        job = Job("stats", {"shards": [shard.sha256 for shard in dataset.manifest.files]})
        job.check_free(self.out, [PAGE], overwrite=self.overwrite)
        statistics = count(track(dataset, total=len(dataset), what="images"), dataset.manifest.splits)
        cards = contact_sheet(dataset, _SAMPLES)
        with written_together(self.out) as folder:
            page = render(self.data.resolve().name, statistics, cards)
            (folder / PAGE).write_text(page, encoding="utf-8")
            record = job.record([PAGE], **asdict(statistics))
            write_record(folder, record)
        if self.as_json:
            sys.stdout.write(to_json(record))
            return 0
        show(split_table(str(self.data), dataset.manifest))
        show(_summary(statistics))
        show(f"drawn: {self.out / PAGE}")
        return 0


def _summary(it: "Statistics") -> str:
    from cris.data.records import AREA_EDGES

    areas = zip(AREA_EDGES[:-1], AREA_EDGES[1:], it.areas, strict=True)
    lines = {
        "sentences": f"{it.mean_words:.2f} words on average, {it.vocabulary:,} different ones",
        "words": ", ".join(f"{word} {times:,}" for word, times in it.words[:10]),
        "categories": ", ".join(f"{name} {times:,}" for name, times in it.categories[:10]),
        "targets": ", ".join(f"{name} {times:,}" for name, times in it.targets),
        "mask areas": ", ".join(f"{100 * low:g}–{100 * high:g} % {times:,}" for low, high, times in areas),
        "distractors": ", ".join(f"{number}: {times:,}" for number, times in enumerate(it.distractors)),
        "collages": f"{it.collages:,} of the images",
        "ceiling": ", ".join(f"{size}: {ceiling:.3f}" for size, ceiling in it.ceilings),
    }
    return "\n".join(f"{name}: {line}" for name, line in lines.items())
