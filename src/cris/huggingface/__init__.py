"""Text-prompted segmentation models of the Hugging Face hub, behind the interface of `cris.Segmenter`."""
