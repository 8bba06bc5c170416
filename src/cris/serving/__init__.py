"""HTTP server and its web page: images and sentences in over the network, masks out."""
