"""What to do about an error, in the words of the command line; see `DisMoError`."""

from __future__ import annotations

HINTS = {
    "autoencoder": "Name the folder that holds it (--autoencoder), or allow the download (--download).",
    "captions": "Choose one with --captions.",
    "check shards": "`dismo shards FOLDER --check` says what is in them.",
    "convert": "`dismo weights convert {source} {target}` does.",
    "download": "`dismo weights download {name}` does.",
    "extractor": "`dismo finetune` takes one with --extractor.",
    "fetch again": "`dismo weights download {name}` fetches it.",
    "make preset": "`dismo presets {name} --extractor large` (or a file of extractor weights) makes it for that one.",
    "make shards": "`dismo shards FOLDER` makes them of a folder of videos.",
    "other base": "`hf download {repo}` does.",
    "overwrite": "Or replace it with --overwrite.",
    "person mask": "The mask goes to --mask.",
    "place": "It goes into {option}.",
    "port": "Give torchrun --standalone, or another --master-port.",
    "resume table": "With --resume the others are made.",
    "skip bad": "With --skip-bad the others are used.",
    "weights": "`dismo weights` lists what is installed.",
}
