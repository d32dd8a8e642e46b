"""Nodes of CogVideoX with a stand-in for ComfyUI: lists of files, memory, LoRAs. The real one: `tests/comfyui`."""

from __future__ import annotations

import gc
import json
import os
import types

import pytest
import torch
from schema_reader import read_schemas

LOADER = read_schemas()["LoadCogVideoXMotionAdapter"]


@pytest.fixture
def files(pack):
    """nodes.dismo.cogvideox_files, its folders registered."""
    pack("nodes.dismo.model_files").register_folder()
    module = pack("nodes.dismo.cogvideox_files")
    module.register_folder()
    return module


def diffusers_folder(path, kind="CogVideoXImageToVideoPipeline"):
    path.mkdir(parents=True)
    (path / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    (path / "weights.safetensors").touch()


def test_with_nothing_on_disk_every_list_begins_with_the_default(files):
    defaults = {port["id"]: port.get("default") for port in LOADER["inputs"]}
    assert files.adapters() == [defaults["adapter"]]
    assert files.bases() == [defaults["base"]]
    assert files.text_encoders() == [defaults["text_encoder"]]
    assert files.vaes() == [defaults["vae"]]


def test_the_defaults_are_names_of_the_manifest(pack, files):
    assert pack("dismo_core.cogvideox.weights").BASE.name == files.BASE
    assert sorted(pack("dismo_core.dismo.weights").RELEASED) == sorted(files.model_files.RELEASED)


@pytest.mark.parametrize("place", ["diffusers", "dismo", "CogVideo"])
def test_bases_are_diffusers_folders_of_cogvideox(files, tmp_path, place):
    diffusers_folder(tmp_path / "models" / place / "mine")
    diffusers_folder(tmp_path / "models" / place / "other", "FluxPipeline")
    assert files.bases() == [files.BASE, "mine"]
    assert files.adapters() == [files.model_files.ADAPTER], "weights of a base are no adapters"


def test_bases_are_single_files_too(files, tmp_path):
    folder = tmp_path / "models/diffusion_models"
    folder.mkdir(parents=True)
    for name in ("CogVideoX_5b_I2V.safetensors", "flux.safetensors"):
        (folder / name).touch()
    assert files.bases() == [files.BASE, "CogVideoX_5b_I2V.safetensors"]


def test_a_single_file_wants_text_encoder_and_vae(pack, files, tmp_path):
    test_bases_are_single_files_too(files, tmp_path)
    with pytest.raises(pack("dismo_core").DisMoError, match="text_encoder .* and a vae"):
        files.find_base("CogVideoX_5b_I2V.safetensors", "from base", "from base", False, print)


def test_released_files_are_listed_by_their_names_alone(files, tmp_path):
    (tmp_path / "models/dismo").mkdir(parents=True)
    for name in ("cogvideox5b_i2v_large.pt", "motion_extractor_large.safetensors", "mine.safetensors"):
        (tmp_path / "models/dismo" / name).touch()
    assert files.adapters() == ["cogvideox5b_i2v_large", "mine.safetensors"]
    assert files.model_files.extractors() == ["tiny", "motion_extractor_large", "mine.safetensors"]


def test_a_download_does_not_make_a_loader_run_again_but_another_conversion_does(files, tmp_path):
    """The released file is known by its checksum; a conversion of it is not."""

    def seen():
        return files.fingerprint("cogvideox5b_i2v_large", files.BASE, "from base", "from base")

    before = seen()
    (tmp_path / "models/dismo").mkdir(parents=True)
    (tmp_path / "models/dismo/cogvideox5b_i2v_large.pt").touch()
    diffusers_folder(tmp_path / "models/diffusers" / files.BASE)
    assert seen() == before
    (tmp_path / "models/dismo/cogvideox5b_i2v_large.safetensors").touch()
    assert seen() != before


def test_what_comes_from_another_node_does_not_disturb_the_cache(files, pack):
    """ComfyUI gives None for it, and takes a failure for "always changed"."""
    nodes = (
        pack("nodes.dismo.loaders").LoadDisMoExtractor,
        pack("nodes.dismo.loaders").LoadFrameGenerator,
        pack("nodes.dismo.loaders").LoadLayeredModel,
        pack("nodes.dismo.video_lora").VideoLoRA,
        pack("nodes.dismo.motion_library").LoadMotion,
        pack("nodes.dismo.load_cogvideox").LoadCogVideoXMotionAdapter,
    )
    assert all(isinstance(node.fingerprint_inputs(), str) for node in nodes)


def test_a_changed_file_is_loaded_again(files, tmp_path):
    diffusers_folder(tmp_path / "models/diffusers/mine")
    (tmp_path / "models/dismo").mkdir()
    adapter, index = tmp_path / "models/dismo/mine.safetensors", tmp_path / "models/diffusers/mine/model_index.json"
    weights = index.parent / "transformer/diffusion_pytorch_model.safetensors"
    weights.parent.mkdir(exist_ok=True)
    seen = set()
    for changed in (adapter, index, weights):
        changed.touch()
        seen.add(files.fingerprint("mine.safetensors", "mine", None, None))
        os.utime(changed, (1, 1))
    assert len(seen | {files.fingerprint("mine.safetensors", "mine", None, None)}) == 4


def test_the_choices_are_those_of_the_core(pack):
    choices = {port["id"]: port["options"] for port in LOADER["inputs"] if "options" in port}
    assert tuple(choices["precision"]) == pack("dismo_core.memory.precision").PRECISIONS
    assert tuple(choices["memory"]) == pack("dismo_core.memory.plan").MEMORY
    assert tuple(choices["attention"]) == pack("dismo_core.cogvideox.attention").ATTENTION
    assert tuple(choices["cache"]) == pack("dismo_core.memory.speed").STEP_CACHES


class TestPlanPatcher:
    """What ComfyUI sees of a model that a plan moves."""

    @pytest.fixture
    def plan(self, pack):
        memory = pack("dismo_core.memory.plan")
        parts = {"a": memory.Part(torch.nn.Linear(10, 10)), "motion_extractor": memory.Part(torch.nn.Linear(3, 3))}
        return memory.MemoryPlan(parts, "cpu", "full")

    @pytest.fixture
    def owner(self, pack, plan):
        owner = types.SimpleNamespace()
        pack("nodes.shared.host").register_plan(owner, plan)
        return owner

    def test_its_size_is_that_of_the_weights_and_nothing_need_be_freed_to_enter_it(self, pack, owner, plan):
        host, patcher = pack("nodes.shared.host"), owner.patcher
        sizes = []
        host.management.load_models_gpu.side_effect = lambda models, **_: sizes.append(models[0].model_size())
        assert (patcher.model_size(), patcher.loaded_size()) == (110 * 4, 0)
        host.bring_to_device(owner)
        plan.load()
        assert patcher.loaded_size() == 110 * 4
        host.bring_to_device(owner)
        assert sizes == [0, 110 * 4]

    def test_a_clone_stands_for_the_same_plan_and_outlives_the_first(self, owner, plan):
        patcher = owner.patcher
        clone = type(patcher)(
            patcher.model, patcher.load_device, patcher.offload_device, 440, weight_inplace_update=True
        )
        plan.load()
        del owner.patcher, patcher
        assert clone.loaded_size() == 110 * 4
        del clone
        gc.collect()
        assert plan.bytes_on_device() == 0

    def test_the_extractor_is_left_to_its_own_patcher(self, owner, plan):
        assert list(plan.parts) == ["a"]

    def test_loading_leaves_the_weights_where_they_are(self, owner, plan):
        assert owner.patcher.partially_load(torch.device("cpu"), 1e32, force_patch_weights=False) == 0
        assert plan.bytes_on_device() == 0

    def test_unloading_releases_them(self, owner, plan):
        plan.load()
        assert owner.patcher.partially_unload(torch.device("cpu"), 1) == 110 * 4
        plan.load()
        owner.patcher.detach()
        assert plan.bytes_on_device() == 0

    def test_entering_it_again_keeps_them(self, owner, plan):
        plan.load()
        owner.patcher.detach(unpatch_all=False)
        assert plan.bytes_on_device() > 0

    def test_nobody_using_it_any_more_releases_them(self, owner, plan):
        plan.load()
        del owner.patcher
        gc.collect()
        assert plan.bytes_on_device() == 0

    def test_asking_for_room_it_stays_itself(self, pack, owner):
        host = pack("nodes.shared.host")
        host.runtime(owner).free_memory(5)
        kept = [("loaded", owner.patcher)]
        host.management.free_memory.assert_called_once_with(5, torch.device("cpu"), keep_loaded=kept)


class Model:
    """Stands for a CogVideoX model: says which LoRAs were in it while it ran."""

    extractor_id, defaults, patcher = "0" * 16, None, "patcher"

    def __init__(self, fails=False):
        plan = types.SimpleNamespace(release=lambda: self.seen.append("release"))
        self.adapter = types.SimpleNamespace(base=types.SimpleNamespace(transformer=None), plan=plan)
        self.seen, self.fails = [], fails

    def transfer(self, motion, image, settings=None, *, mask=None, runtime=None, before_segment=None):
        self.seen.append("run")
        if self.fails:
            raise KeyboardInterrupt
        return "frames"


class TestVideoLoRA:
    """The LoRA is in the shared model while it runs, and at no other time."""

    @pytest.fixture
    def node(self, pack, monkeypatch, tmp_path):
        core = pack("dismo_core.dismo.adapter.with_loras")
        monkeypatch.setattr(pack("dismo_core.dismo.adapter.cogvideox_model"), "CogVideoXModel", Model)
        (tmp_path / "models/loras").mkdir(parents=True)
        for name in ("a.safetensors", "b.safetensors"):
            (tmp_path / "models/loras" / name).touch()
        self.in_force = []
        monkeypatch.setattr(
            core,
            "set_video_loras",
            lambda _, loras: self.in_force.append({os.path.basename(k): v for k, v in loras.items()}),
        )
        return pack("nodes.dismo.video_lora").VideoLoRA

    def test_in_and_out_again(self, node):
        model = Model()
        (styled,) = node.execute(model, "a.safetensors", 0.5)
        (both,) = node.execute(styled, "b.safetensors", 2.0)
        assert both.patcher == "patcher"
        assert both.transfer(None, None, runtime=None) == "frames"
        assert self.in_force == [{"a.safetensors": 0.5, "b.safetensors": 2.0}, {}]
        assert model.seen == ["release", "run", "release"], "layers change while nothing is on the device"
        styled.transfer(None, None, runtime=None)
        assert self.in_force[2:] == [{"a.safetensors": 0.5}, {}]

    def test_strengths_for_segments_take_the_place_of_the_strength(self, node):
        (styled,) = node.execute(Model(), "a.safetensors", 0.0, "0.5 | 2")
        styled.transfer(None, None, runtime=None)
        assert self.in_force == [{"a.safetensors": 0.5}, {}]
        assert [styled._strengths(segment, 0.0) for segment in range(3)] == [[0.5], [2.0], [2.0]]

    def test_out_again_when_cancelled(self, node):
        model = Model(fails=True)
        (styled,) = node.execute(model, "a.safetensors", 1.0)
        with pytest.raises(KeyboardInterrupt):
            styled.transfer(None, None, runtime=None)
        assert self.in_force[-1] == {} and model.seen[-1] == "release"

    def test_none_and_strength_zero_change_nothing(self, node):
        model = Model()
        assert node.execute(model, "none", 1.0) == (model,)
        assert node.execute(model, "a.safetensors", 0.0) == (model,)

    def test_another_model_is_refused(self, pack, node):
        with pytest.raises(pack("dismo_core").DisMoError, match="not CogVideoX"):
            node.execute(types.SimpleNamespace(), "a.safetensors", 1.0)

    def test_a_missing_file_is_named(self, pack, node):
        with pytest.raises(pack("dismo_core").DisMoError, match=r"no file gone\.safetensors in .*loras"):
            node.execute(Model(), "gone.safetensors", 1.0)
