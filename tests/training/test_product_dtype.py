"""Products in bfloat16 only where the processor is fast at them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from dismo_core.training.precision import fast_products, product_dtype

PRODUCT = """
import torch
from dismo_core.training.precision import fast_products, product_dtype
with fast_products("cpu"):
    print(product_dtype("cpu"), (torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
"""


@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_a_cpu_without_wide_vectors_computes_in_float32(capability):
    told = os.environ | {"ATEN_CPU_CAPABILITY": capability}
    done = subprocess.run([sys.executable, "-c", PRODUCT], env=told, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "torch.float32"]


TRAINING = """
import pathlib
import sys
import torch
from torch import nn
from dismo_core.training.loop import Schedule, TrainingRun, fit
net = nn.Linear(3, 1)
run = TrainingRun(pathlib.Path(sys.argv[1]), Schedule(1, lr=0.1, warmup=0), autocast=torch.bfloat16 if sys.argv[2] == "bf16" else None)
fit(net, lambda step: {"loss": net(torch.ones(2, 3)).square().mean()}, run)
"""


@pytest.mark.parametrize(("precision", "warned"), [("bf16", True), ("fp32", False)])
def test_training_in_bfloat16_on_such_a_cpu_is_warned_of(tmp_path, precision, warned):
    told = os.environ | {"ATEN_CPU_CAPABILITY": "default"}
    command = [sys.executable, "-c", TRAINING, str(tmp_path), precision]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=True)
    assert ("This CPU has no fast bfloat16" in done.stderr) == warned


def test_products_on_this_cpu_have_the_dtype_that_is_told():
    with fast_products("cpu"):
        made = torch.ones(2, 2) @ torch.ones(2, 2)
    assert made.dtype is (product_dtype("cpu") or torch.float32)


def test_a_gpu_multiplies_bfloat16():
    assert product_dtype("cuda:0") is torch.bfloat16
