import subprocess
import sys

BLOCKED = ("lightning", "torchmetrics", "pycocotools", "cv2", "jsonargparse", "matplotlib", "rich", "safetensors")

SCRIPT = f"""
import sys
for name in {BLOCKED}:
    sys.modules[name] = None  # importing it raises ImportError
import torch
from elifpose.models import CSPNeXt, PoseEstimator, RTMCCHead, load_network, save_network
network = PoseEstimator(CSPNeXt(0.1, 0.125), RTMCCHead(128, 5, (64, 96))).eval()
save_network(network, sys.argv[1])
images = torch.zeros(1, 3, 96, 64, dtype=torch.uint8)
assert torch.equal(load_network(sys.argv[1])(images)[0], network(images)[0])
print("done")
"""


def test_network_works_with_torch_and_numpy_alone(tmp_path: object) -> None:
    command = [sys.executable, "-c", SCRIPT, f"{tmp_path}/network.pt"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == "done\n", result.stderr
