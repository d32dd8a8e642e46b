"""Importing the library loads no heavy package."""

import subprocess
import sys

HEAVY = ("torch", "diffusers", "transformers", "peft", "av", "torchcodec", "matplotlib", "numpy")


def test_import_loads_nothing_heavy():
    code = f"import sys, dismo_core; print([m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_error_family_needs_no_torch():
    code = "import sys; from dismo_core import DisMoError; assert 'torch' not in sys.modules; raise DisMoError('x')"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "DisMoError: x" in out.stderr


def test_every_public_name_resolves():
    import dismo_core

    assert all(getattr(dismo_core, name) is not None for name in dismo_core.__all__)
