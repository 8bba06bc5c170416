"""The HTTP server and its web page: pictures and sentences in over the network, masks out."""
