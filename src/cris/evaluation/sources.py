"""Opener of a split's images, from what a user names."""

from cris.evaluation.examples import Examples, SceneExamples

SCENES = "scenes"
"""Name of rendered scenes, accepted in place of a folder."""


def open_examples(data: str, split: str, limit: int | None = None) -> Examples:
    """Return the first `limit` samples of a split (all by default) of a data set's folder, or of scenes.

    Raises:
        InputError: the folder is no data set, or there is no such split, or nothing in it.
    """
    if data == SCENES:
        return SceneExamples(split, limit)
    from cris.evaluation.stored_examples import StoredExamples  # scenes are measured without pyarrow

    return StoredExamples(data, split, limit)
