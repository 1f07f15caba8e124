"""Look for mistakes in data sets before they cost a training."""
