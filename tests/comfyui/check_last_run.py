"""Print the last run against a real ComfyUI; exit 1 unless it passed with the files as they are now. CI runs this."""

from __future__ import annotations

import sys

from record import FILE, complaint

if __name__ == "__main__":
    if FILE.is_file():
        print(FILE.read_text("utf-8"))
    reason = complaint()
    if reason:
        sys.exit(f"{reason}. Run `COMFYUI_DIR=... pytest tests/comfyui` and commit tests/comfyui/last_run.json.")
