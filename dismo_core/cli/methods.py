"""The one table of commands: which module serves a word. Methods are named here, and only here, as strings."""

from __future__ import annotations

# Command -> module below `dismo_core` that registers it.
COMMANDS = {
    "demo": "dismo.cli.demo",
    "extract": "dismo.cli.extract",
    "transfer": "dismo.cli.transfer",
    "tracks": "dismo.cli.tracks",
    "presets": "dismo.cli.presets",
    "shards": "cli.shards",
    "train": "dismo.cli.train",
    "finetune": "dismo.cli.finetune",
    "evaluate": "cli.evaluate",
    "motiondirector": "motiondirector.cli.commands",
    "demo-t2v": "demo_t2v.cli.commands",
    "weights": "cli.weights",
    "mimo": "mimo.cli.commands",
    "4d": "gaussians4d.cli.commands",
    "content-motion": "content_motion.cli.commands",
}
# Word after `dismo evaluate` -> module and function that registers it.
EVALUATIONS = {
    "knn": "dismo.cli.evaluate_embeddings:add_knn",
    "disentangle": "dismo.cli.evaluate_embeddings:add_disentangle",
    "transfer": "cli.evaluate_transfer:add_transfer",
    "scenes": "dismo.cli.evaluate_scenes:add_scenes",
    "readout": "dismo.cli.evaluate_readout:add_readout",
    "families": "dismo.cli.evaluate_families:add_families",
    "edits": "dismo.cli.evaluate_edits:add_edits",
    "real-clips": "dismo.cli.evaluate_real_clips:add_real_clips",
    "masks": "dismo.cli.evaluate_layered:add_masks",
    "drift": "dismo.cli.evaluate_layered:add_drift",
    "presets": "dismo.cli.evaluate_presets:add_presets",
    "release": "dismo.cli.evaluate_release:add_release",
    "release-mimo": "mimo.cli.evaluate_release:add_release",
    "release-demo": "demo_t2v.cli.evaluate_release:add_release",
    "release-4d": "gaussians4d.cli.evaluate_release:add_release",
}
# Modules that register weights.
WEIGHTS = (
    "cogvideox.weights",
    "text_to_video.weights",
    "dismo.weights",
    "motiondirector.weights",
    "demo_t2v.weights",
    "mimo.weights",
    "gaussians4d.weights",
    "content_motion.weights",
)
