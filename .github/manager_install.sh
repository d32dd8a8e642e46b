#!/usr/bin/env bash
# Installs as ComfyUI-Manager does: each line of requirements.txt by itself, into an environment that has torch, which must stay as it is.
set -euo pipefail
cd "$(dirname "$0")/.."
before=$(python -c "import torch; print(torch.__version__)")
sed 's/#.*//' requirements.txt | grep -v '^[[:space:]]*$' | while read -r line; do
    pip install --quiet "$line"
done
after=$(python -c "import torch; print(torch.__version__)")
[ "$before" = "$after" ] || { echo "torch was $before and is now $after"; exit 1; }
pip check
python -m dismo_core demo --out "$(mktemp -d)/demo"
