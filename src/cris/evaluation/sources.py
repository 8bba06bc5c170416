"""From what a user names to the pictures of a split."""

from cris.evaluation.examples import Examples, SceneExamples

SCENES = "scenes"
"""What stands for rendered scenes where a folder could be named."""


def open_examples(data: str, split: str, limit: int | None = None) -> Examples:
    """The first `limit` samples of a split (all by default) of a data set's folder, or of scenes.

    Raises:
        InputError: the folder is no data set, or there is no such split, or nothing in it.
    """
    if data == SCENES:
        return SceneExamples(split, limit)
    from cris.evaluation.stored_examples import StoredExamples  # scenes are measured without pyarrow

    return StoredExamples(data, split, limit)
