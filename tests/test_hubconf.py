"""torch.hub entries, from this checkout."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dismo_core as dismo
from dismo_core.dismo.weights import BUNDLED

ROOT = Path(__file__).parents[1]
TINY = BUNDLED["dismo_tiny_extractor"]
BASE = ROOT / "tests" / "goldens" / "tiny-CogVideoX-I2V"
ADAPTERS = ("cogvideox5b_i2v", "cogvideox5b_i2v_large")


def load(entry, **options):
    return torch.hub.load(str(ROOT), entry, source="local", **options)


def test_entries_bear_the_published_names():
    """torch.hub takes every callable for an entry."""
    entries = {k: v for k, v in names().items() if callable(v) and not k.startswith("_")}
    assert entries.keys() == {"motion_extractor_large", *ADAPTERS}
    assert all("non-commercial" in entry.__doc__ for entry in entries.values())


def test_a_file_of_ones_own_is_loaded():
    extractor = load("motion_extractor_large", path=TINY, dtype=torch.float16)
    assert extractor.extractor_id == dismo.load_motion_extractor("tiny").extractor_id
    assert next(extractor.parameters()).dtype == torch.float16


def test_without_weights_it_has_the_large_geometry():
    with torch.device("meta"):
        extractor = load("motion_extractor_large", pretrained=False)
    assert sum(p.numel() for p in extractor.parameters()) == 594_349_888
    with torch.device("meta"):
        half = load("motion_extractor_large", pretrained=False, dtype=torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("entry", ["motion_extractor_large", *ADAPTERS])
def test_without_download_a_missing_file_is_named(entry, tmp_path, monkeypatch):
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    with pytest.raises(dismo.DisMoError, match=r"large\.pt .*non-commercial.* is not in .*download=True"):
        load(entry, download=False)


def test_without_download_a_missing_base_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path))
    with pytest.raises(dismo.DisMoError, match=r"CogVideoX-5b-I2V .* is not in .*download=True"):
        load("cogvideox5b_i2v_large", path=TINY, download=False)


@pytest.mark.parametrize("entry", ADAPTERS)
def test_an_adapter_on_a_base_of_ones_own(entry):
    adapter = load(entry, pretrained=False, base=BASE, dtype=torch.float32)
    assert adapter.base.vae.use_slicing and adapter.base.vae.use_tiling
    assert adapter.base.transformer.dtype == torch.float32 and adapter.init_gru_state.shape == (1024,)


def test_an_adapter_file_that_does_not_fit_is_refused():
    with pytest.raises(dismo.DisMoError, match="motion_extractor|adapter"):
        load("cogvideox5b_i2v_large", path=TINY, base=BASE)


GUARDED = """
import sys
NETWORK = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, args: sys.exit(f"{event} {args}") if event in NETWORK else None)
import torch
torch.hub.load(sys.argv[1], "motion_extractor_large", source="local", path=sys.argv[2])
torch.hub.load(sys.argv[1], "cogvideox5b_i2v_large", source="local", pretrained=False, base=sys.argv[3])
print(*sorted(sys.modules))
"""


def test_no_network_is_touched_and_every_library_that_is_used_is_declared():
    out = subprocess.run([sys.executable, "-c", GUARDED, ROOT, TINY, BASE], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    others = {"pillow": "PIL", "protobuf": "google"}
    declared = [
        re.match(r"[\w-]+", line)[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if line[0] != "#"
    ]
    used = {others.get(name, name) for name in [*declared, "torch"]} & set(out.stdout.split())
    # diffusers brings the first; libraries import the others where they are installed
    used -= {"PIL", "peft", "rich"}
    assert {"torch", "diffusers"} <= used <= {name.partition(".")[0] for name in names()["dependencies"]}


def test_dependencies_are_among_those_of_the_package():
    packages = (ROOT / "requirements.txt").read_text().replace("protobuf", "google.protobuf")
    assert all(f"\n{name}>=" in packages for name in names()["dependencies"] if name != "torch")


def names():
    return runpy.run_path(str(ROOT / "hubconf.py"))
