"""Print the last runs against a real ComfyUI; exit 1 unless they passed with the files as they are now. CI runs this."""

from __future__ import annotations

import sys

from record import RUNS, Record

if __name__ == "__main__":
    complaints = []
    for folder, version in RUNS:
        record = Record(folder, version)
        if record.file.is_file():
            print(record.file.read_text("utf-8"))
        reason = record.complaint()
        if reason:
            command = f"COMFYUI_DIR=... pytest {folder}"
            complaints.append(
                f"{folder}, ComfyUI {version}: {reason}. Run `{command}` with it and commit {folder}/{record.file.name}."
            )
    if complaints:
        sys.exit("\n".join(complaints))
