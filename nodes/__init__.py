"""ComfyUI nodes: schemas, and the mapping of widgets to `dismo_core`. No model code."""
