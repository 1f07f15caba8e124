"""From pictures of people to their keypoints, and on to joint angles and muscle-tendon lengths."""
