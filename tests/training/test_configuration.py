from elifpose.training.configuration import flat_scalars


def test_a_configuration_is_flat_and_holds_nothing_but_scalars() -> None:
    text = """
    model:
      network: {neck: null, backbone: {widen_factor: 0.375, out_stages: [1, 2, 3]}}
      flip_test: true
    trainer:
      callbacks:
      - class_path: A
        init_args: {final_epochs: 30}
      precision: bf16-mixed
    """
    assert flat_scalars(text) == {
        "model.network.backbone.widen_factor": 0.375,
        "model.network.backbone.out_stages": "[1, 2, 3]",
        "model.flip_test": True,
        "trainer.callbacks": "[{class_path: A, init_args: {final_epochs: 30}}]",
        "trainer.precision": "bf16-mixed",
    }
