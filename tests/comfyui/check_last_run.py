"""Print the last runs against a real ComfyUI; exit 1 unless they passed with the files as they are now. CI runs this."""

from __future__ import annotations

import sys

from record import FOLDERS, Record

if __name__ == "__main__":
    for record in map(Record, FOLDERS):
        if record.file.is_file():
            print(record.file.read_text("utf-8"))
        reason = record.complaint()
        if reason:
            command = f"COMFYUI_DIR=... pytest {record.folder}"
            sys.exit(f"{record.folder}: {reason}. Run `{command}` and commit {record.folder}/last_run.json.")
