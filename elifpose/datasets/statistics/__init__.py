"""How many people, keypoints and sizes data sets have."""
