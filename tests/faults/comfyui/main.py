"""ComfyUI's own main.py, with the options in COMFYUI_OPTIONS and the pack of these tests beside what it loads anyway."""

import os
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMFYUI = Path(os.environ["COMFYUI_DIR"]).resolve()

if __name__ == "__main__":
    sys.argv += ["--extra-model-paths-config", str(HERE / "packs.yaml"), *os.environ.get("COMFYUI_OPTIONS", "").split()]
    sys.path[0] = str(COMFYUI)
    os.chdir(COMFYUI)
    runpy.run_path(str(COMFYUI / "main.py"), run_name="__main__")
