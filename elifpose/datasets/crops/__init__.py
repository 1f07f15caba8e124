"""Crops of people kept on disk, so that training need not decode whole images."""
