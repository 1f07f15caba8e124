"""Draw what a checkpoint says of the first people of its validation set.

    python docs/draw_predictions.py --config configs/quickstart.yaml --ckpt_path CHECKPOINT --out predictions.png

Lines are predictions (green: the person's left, orange: right), white rings are annotated keypoints.
"""

import argparse
from pathlib import Path

import torch

from elifpose.cli import build
from elifpose.models import load_checkpoint
from elifpose.structures import PoseBatch
from elifpose.training.figures import people_figure, similarity_titles


def main() -> None:
    """Build what the options say, predict one batch, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt_path", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a .png")
    parser.add_argument("--people", type=int, default=16)
    options, of_fit = parser.parse_known_args()
    module, datamodule = build(of_fit)
    load_checkpoint(module.network, options.ckpt_path)
    datamodule.setup("validate")
    batch = PoseBatch(*(field[: options.people] for field in next(iter(datamodule.val_dataloader()[0]))))
    module.eval()
    with torch.inference_mode():
        keypoints_input = module(batch.images).keypoints_input
    titles = similarity_titles(batch, keypoints_input, module.skeleton)
    people_figure(batch, keypoints_input, module.skeleton, titles).savefig(options.out, dpi=100)


if __name__ == "__main__":
    main()
