"""Training and evaluation share the renderer and nothing else: no shape, texture, path or seed of the one is in the other."""

import ast
import subprocess
import sys
import textwrap

import pytest
from test_layers import CORE, FILES, imports

HELD_OUT = "synthetic.held_out"
MECHANISM = {"renderer", "noise"}  # what both draw with; it holds no shapes, textures, paths or seeds
MAY_EVALUATE = (
    "evaluation/",
    "dismo/evaluation/",
    "dismo/cli/evaluate_",
    "content_motion/cli/evaluate",
    "synthetic/held_out/",
)
MODULES = {
    ".".join(file.relative_to(CORE).with_suffix("").parts).removesuffix(".__init__"): file
    for file in FILES
    if file != CORE / "__init__.py"
}


def targets(name: str) -> set[str]:
    """The modules of this library that a module imports, anywhere in it, with the packages above them."""
    found = set()
    for _, there in imports(MODULES[name]):
        parts = there.split(".")
        found |= {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & MODULES.keys()
    return found


def reached(start: str) -> set[str]:
    """Everything that importing and running a module can import."""
    seen, new = set(), {start}
    while new:
        seen |= new
        new = {there for name in new for there in targets(name)} - seen
    return seen


def test_only_evaluations_import_the_held_out_scenes():
    for name, file in MODULES.items():
        if not file.relative_to(CORE).as_posix().startswith(MAY_EVALUATE):
            assert not any(there.startswith(HELD_OUT) for there in targets(name)), file


@pytest.mark.parametrize("name", sorted(n for n in MODULES if {"training", "data"} & set(n.split("."))))
def test_training_reaches_no_held_out_scene(name):
    assert not any(there.startswith(HELD_OUT) for there in reached(name))


@pytest.mark.parametrize("name", sorted(n for n in MODULES if n.startswith(f"{HELD_OUT}.")))
def test_held_out_scenes_share_the_renderer_alone(name):
    shared = {there for there in reached(name) if there.startswith("synthetic.") and not there.startswith(HELD_OUT)}
    assert shared <= {f"synthetic.{part}" for part in MECHANISM}
    rest = {there.split(".")[0] for there in reached(name)}
    assert rest <= {"synthetic", "errors"}


def test_measuring_knows_nothing_but_pixels():
    assert reached("evaluation.measure") == {"evaluation.measure"}


def test_the_mechanism_draws_nothing_at_random():
    for part in MECHANISM:
        tree = ast.walk(ast.parse(MODULES[f"synthetic.{part}"].read_text("utf-8")))
        names = {getattr(node, "id", "") or getattr(node, "attr", "") for node in tree}
        assert not [name for name in names if any(word in name for word in ("rand", "seed", "Generator", "Draws"))], (
            part
        )


def test_training_draws_while_everything_held_out_is_out_of_reach():
    """What is drawn in training comes from torch's generators alone, seeded by `Draws`; the held-out scenes from numpy's."""
    program = """
        import sys
        import numpy as np

        class Closed:
            def find_spec(self, name, *rest):
                if "held_out" in name:
                    raise AssertionError(name)

        sys.meta_path.insert(0, Closed())

        def refuse(*arguments, **keywords):
            raise AssertionError("a random number of numpy")

        np.random.default_rng = np.random.Generator = np.random.RandomState = refuse
        np.random.rand = np.random.randn = np.random.uniform = np.random.normal = np.random.seed = refuse
        from dismo_core.dismo.training import objective, refine, tiny
        from dismo_core.dismo.training.drawn_clips import ClipGenerator

        drawn = ClipGenerator(size=16, textures=2)
        drawn.batch(0, 1), drawn.long_clips(0, 1, 1), drawn.pictures(0, 1)
        assert not [name for name in sys.modules if "held_out" in name]
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
