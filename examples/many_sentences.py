"""Asks one image many sentences, and writes what annotation tools import.

python examples/many_sentences.py street.jpg "the man on the left" "the red car"
"""

import json
import sys
from pathlib import Path

from PIL import Image

from cris import Segmenter
from cris.conversions import to_coco, to_label_studio

image, *sentences = sys.argv[1:]
segmenter = Segmenter.from_pretrained()
encoded = segmenter.encode(image)  # once, however many sentences follow
predictions = encoded.predict(sentences)

height, width = predictions[0].mask.shape
sheet = Image.new("RGB", (width * len(predictions), height))
for place, prediction in enumerate(predictions):
    sheet.paste(prediction.overlay(), (place * width, 0))
    print(f"{prediction.sentence}: score {prediction.score:.2f}, box {prediction.box}")
sheet.save("sheet.jpg")

name = Path(image).name
Path("coco.json").write_text(json.dumps(to_coco([(name, predictions)])))
Path("label-studio.json").write_text(
    json.dumps([to_label_studio(f"/data/local-files/?d={name}", predictions)])
)
