import hashlib
from pathlib import Path

from elifpose.cli import build
from elifpose.training.facts import run_facts


def test_facts_name_what_figures_were_measured_with(rendered: Path, tmp_path: Path) -> None:
    import lightning.pytorch as pl

    config = Path(__file__).parents[2] / "configs/quickstart.yaml"
    module, datamodule = build(["--config", str(config), "--data.root", str(rendered), "--data.num_workers=0"])
    module.flip_test = False
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, default_root_dir=tmp_path, max_epochs=0
    )
    trainer.fit(module, datamodule)
    path = tmp_path / "some.ckpt"
    trainer.save_checkpoint(path)
    trainer.validate(module, datamodule, ckpt_path=path, verbose=False, weights_only=True)
    facts = run_facts(trainer, module)
    assert facts.checkpoint == str(path)
    assert facts.checkpoint_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert facts.weights == "trained"
    assert facts.boxes == {"synthetic": "annotated"}
    assert (
        facts.sentence()
        == f"{path}, trained weights, float network, without flip test, 32-true; synthetic: annotated boxes"
    )
