"""Studies of models and data: wrong labels, occlusion, calibration, ambiguity, the paper's experiments."""
