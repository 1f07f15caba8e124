"""Layouts that public sets are published in, each turned into COCO's."""
