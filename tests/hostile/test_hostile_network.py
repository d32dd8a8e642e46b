"""Who is called: nobody while working, and on an asked-for download the hub of the manifest alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from dismo_core.cogvideox.weights import BASE
from dismo_core.dismo.weights import RELEASED

ROOT = Path(__file__).parents[2]
RECORDER = """
    import json, sys
    hosts = set()
    def record(event, arguments):
        if event == "socket.bind" and arguments[1][0] in ("::1", "127.0.0.1"):
            return  # this machine alone: urllib3 asks so, when imported, whether there is IPv6
        if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto", "socket.bind"):
            hosts.add(str(arguments[0] if event.startswith("socket.get") else arguments[1]))
            raise OSError("the network is blocked by this test")
    sys.addaudithook(record)
    import dismo_core as dismo
    from dismo_core.cli.main import main
    def attempt(function, *arguments, **options):
        try:
            function(*arguments, **options)
        except (dismo.DisMoError, SystemExit):
            pass
"""


def hosts_called(code, tmp_path):
    """Hosts that a process tried to reach, without any setting that would keep it from trying."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "DISMO_")) and "proxy" not in k.lower()}
    own |= {"DISMO_WEIGHTS": str(tmp_path / "weights"), "HF_HOME": str(tmp_path / "hub")}
    run = textwrap.dedent(RECORDER) + textwrap.dedent(code) + '\nprint("\\n" + json.dumps(sorted(hosts)))'
    done = subprocess.run([sys.executable, "-c", run], cwd=ROOT, env=own, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_work_calls_nobody(tmp_path):
    code = f"""
        from dismo_core.assets.examples import example
        clip, picture = example("drawn")
        out = {str(tmp_path)!r}
        attempt(main, ["extract", str(clip), "-o", out + "/m.safetensors", "--frames", "5"])
        moved = ["transfer", "--motion", out + "/m.safetensors", "--image", str(picture), "-o"]
        attempt(main, [*moved, out + "/v.mp4"])
        attempt(main, [*moved, out + "/w.mp4", "--model", "tiny", "--steps", "1"])
        assert len(dismo.read_video(out + "/v.mp4").frames) == 5
        attempt(main, ["weights"])
        attempt(main, ["weights", "verify"])
        attempt(dismo.load_motion_extractor, "large")
        attempt(dismo.load_cogvideox_adapter, "large", base="owner/name")
        from dismo_core.cogvideox.weights import BASE
        from dismo_core.weights.hub import require_base
        attempt(require_base, BASE)
    """
    assert hosts_called(code, tmp_path) == []


def test_a_download_calls_the_hub_alone(tmp_path):
    code = """
        attempt(main, ["weights", "download", "motion_extractor_large"])
        attempt(main, ["weights", "download", "cogvideox5b_i2v_large"])
        attempt(dismo.load_motion_extractor, "large", download=True)
        from dismo_core.cogvideox.weights import BASE
        from dismo_core.weights.hub import require_base
        attempt(require_base, BASE, download=True)
    """
    assert hosts_called(code, tmp_path) == ["huggingface.co"]


def test_the_manifest_names_two_owners():
    assert {file.repo for file in RELEASED.values()} | {BASE.repo} == {"CompVis/DisMo", "zai-org/CogVideoX-5b-I2V"}
