"""torchvision and timm import next to a CPU-only torch, and stay as they are elsewhere."""

from __future__ import annotations

import importlib.util
import sys

from tests import program

USE = """
import warnings
warnings.simplefilter("error")
import torch
from harness.api.torchvision import ensure_torchvision
register_fake = torch.library.register_fake
ensure_torchvision()
ensure_torchvision()
assert torch.library.register_fake is register_fake, "left patched"
import torchvision
network = torchvision.models.resnet18(weights=None).eval()
assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
resize = torchvision.transforms.Resize((8, 8))
assert resize(torch.zeros(3, 16, 16)).shape == (3, 8, 8)
"""

TIMM = """
import timm
network = timm.create_model("resnet10t").eval()
assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 1000)
"""

# An installation whose operators load: shape functions of operators that exist are registered.
HEALTHY = """
import sys, types, torch
from harness.api.torchvision import ensure_torchvision
library = torch.library.Library("torchvision", "FRAGMENT")
library.define("present(Tensor x) -> Tensor")
seen = []
torch.library.register_fake = lambda op, *rest, **named: seen.append(op) or (lambda f: f)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            import importlib.machinery
            return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        import torch.library
        for op in ("torchvision::present", "torchvision::absent", "other::absent"):
            torch.library.register_fake(op)(lambda x: x)
sys.meta_path.insert(0, Finder())
ensure_torchvision()
assert seen == ["torchvision::present", "other::absent"], seen
"""


def python(code):
    finished = program.run(sys.executable, "-c", code)
    assert finished.returncode == 0, finished.stderr


def test_torchvision_and_timm_work():
    python(USE + TIMM if importlib.util.find_spec("timm") else USE)


def test_only_operators_that_do_not_exist_are_left_out():
    python(HEALTHY)
