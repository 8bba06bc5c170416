"""Segments one image: python examples/one_image.py street.jpg "the red car"."""

import sys

from cris import Segmenter

image, sentence = sys.argv[1:]
segmenter = Segmenter.from_pretrained()  # or a checkpoint folder of your own
prediction = segmenter.predict(image, sentence)
prediction.save("mask.png")
prediction.overlay().save("overlay.jpg")
print(f"{sentence}: score {prediction.score:.2f}, box {prediction.box}; mask.png, overlay.jpg")
