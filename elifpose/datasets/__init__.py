"""From annotated images to batches: reading, checking, cropping, augmenting, sampling; and rendered people."""
