"""`cris data`: each of its commands is a file here, with a dataclass `Command` that has a `run() -> int`."""

COMMANDS = {
    "scenes": "Render scenes with sentences and exact masks",
    "refer": "Convert RefCOCO, RefCOCO+, RefCOCOg or gRefCOCO as they were published",
    "hub": "Convert a re-release of these: Parquet or JSON, local or by hub id",
    "coco": "Convert your own images: COCO instances, with sentences or without",
    "collages": "Paste objects of photographs into others, with sentences about the result",
    "label": "Ask a model sentences about images, and keep its masks to train another on",
    "check": "Read everything of a data set again and tell what is wrong of it",
    "stats": "Count and draw what is in a data set",
    "export": "Write a data set as Parquet or WebDataset",
    "push": "Put a data set on the Hugging Face hub",
}
"""Command → its purpose; kept by hand, so that `cris data --help` imports nothing."""
