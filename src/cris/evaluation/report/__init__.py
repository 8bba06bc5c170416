"""Report on an evaluation: one folder that opens in any browser, without a server or a network."""
