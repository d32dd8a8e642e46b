"""Loading the base: folders, the hub's cache, ComfyUI's single files; wrong and broken ones are named."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import dismo_core as dismo
from dismo_core.cogvideox.base import load_base, load_base_files
from dismo_core.cogvideox.geometry import COGVIDEOX_5B_I2V, Geometry
from dismo_core.cogvideox.text_files import load_tokenizer
from dismo_core.cogvideox.weights import BASE

TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXT_ENCODER = "text_encoder/model.safetensors"
TOKENS = torch.tensor([[3, 29, 20, 7, 6, 29, 8, 1]])


@pytest.fixture
def copy(base_folder, tmp_path):
    """A toy base to break."""
    return shutil.copytree(base_folder, tmp_path / "base", copy_function=shutil.copyfile)


@pytest.fixture
def geometry(base_folder):
    """The toy's numbers; its files bring no config."""

    def config(path):
        return json.loads((base_folder / path).read_text())

    return Geometry(
        config("transformer/config.json"),
        config("vae/config.json"),
        config("text_encoder/config.json"),
        config("scheduler/scheduler_config.json"),
    )


def change(folder, **changes):
    """Change numbers of a transformer's config."""
    path = folder / "transformer/config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def modules(base):
    return base.transformer, base.vae, base.text_encoder


# Diffusers folders


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_diffusers_folder_loads_frozen_in_one_precision(base_folder, dtype):
    base = load_base(base_folder, dtype)
    for part in modules(base):
        assert not part.training and not any(p.requires_grad for p in part.parameters())
        kept = {n for n, t in part.named_parameters() if t.dtype == torch.float32}
        others = {t.dtype for n, t in part.named_parameters() if n not in kept}
        if dtype is torch.float16 and part is base.text_encoder:  # where fp16 overflows, as transformers does
            assert others == {dtype} and kept and all(".wo." in name for name in kept)
        elif dtype is not torch.float32:
            assert others == {dtype} and not kept
    assert base.scheduler_config["beta_start"] == 0.00085
    assert base.name == str(base_folder)
    assert base.text_encoder.shared.weight is base.text_encoder.encoder.embed_tokens.weight


def test_the_numbers_are_those_of_the_libraries_own_loaders(base_folder):
    from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel
    from transformers import T5EncoderModel

    ours = modules(load_base(base_folder, torch.float32))
    theirs = (
        CogVideoXTransformer3DModel.from_pretrained(base_folder / "transformer"),
        AutoencoderKLCogVideoX.from_pretrained(base_folder / "vae"),
        T5EncoderModel.from_pretrained(base_folder / "text_encoder"),
    )
    for a, b in zip(ours, theirs, strict=True):
        assert type(a) is type(b)
        assert a.state_dict().keys() == b.state_dict().keys()
        assert all(torch.equal(value, b.state_dict()[name].float()) for name, value in a.state_dict().items())
    with torch.no_grad():
        torch.testing.assert_close(ours[2](TOKENS)[0], theirs[2](TOKENS)[0], atol=1e-5, rtol=0)


def test_shards_are_put_together_and_a_missing_one_is_named(copy, base_folder):
    whole = copy / TRANSFORMER
    tensors = load_file(whole)
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, whole.parent / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (whole.parent / f"{whole.name}.index.json").write_text(json.dumps(index))
    whole.unlink()
    expected = load_base(base_folder, torch.float32).transformer.state_dict()
    found = load_base(copy, torch.float32).transformer.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    (whole.parent / "b.safetensors").unlink()
    with pytest.raises(dismo.DisMoError, match="lacks b.safetensors.*fetch"):
        load_base(copy)


def test_weights_loaded_in_inference_mode_can_be_trained(base_folder):
    with torch.inference_mode():
        base = load_base(base_folder, torch.bfloat16)
    assert not any(t.is_inference() for part in modules(base) for t in part.state_dict().values())


# Memory while loading

MEASURE = """
import resource, sys, torch
from dismo_core.cogvideox.base import load_base
import diffusers.models.transformers.cogvideox_transformer_3d, transformers
from transformers import T5EncoderModel, AutoTokenizer
from diffusers.models.autoencoders.autoencoder_kl_cogvideox import AutoencoderKLCogVideoX
for dtype in (torch.bfloat16, torch.float32):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    base = load_base(sys.argv[1], dtype)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(after - before, sum(p.nbytes for p in base.transformer.parameters()))
    del base
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource usage is measured the POSIX way")
def test_loading_takes_less_than_two_copies_of_the_weights_and_none_where_nothing_is_cast(copy):
    change(copy, num_attention_heads=64, num_layers=6)
    from diffusers import CogVideoXTransformer3DModel

    with torch.device("meta"):
        shapes = CogVideoXTransformer3DModel.from_config(json.loads((copy / "transformer/config.json").read_text()))
    made = {name: torch.ones(t.shape, dtype=torch.bfloat16) for name, t in shapes.state_dict().items()}
    save_file(made, copy / TRANSFORMER)
    size = sum(t.nbytes for t in made.values())
    assert size > 130e6
    del made
    command = [sys.executable, "-c", MEASURE, str(copy)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    unit = 1 if sys.platform == "darwin" else 1024
    (same, in_bf16), (cast, in_fp32) = ([int(n) for n in line.split()] for line in output.strip().splitlines())
    assert in_fp32 == 2 * in_bf16
    assert same * unit < 0.25 * in_bf16, "memory-mapped: nothing is copied"
    assert cast * unit < in_fp32 + 1.2 * in_bf16, "one copy, and the pages of the file that were read"


# The hub


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and an empty default folder."""
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("DISMO_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "hub"


def test_a_hub_id_is_found_in_the_cache_of_this_machine(hub_cache, base_folder):
    repo = hub_cache / f"models--{BASE.repo.replace('/', '--')}"
    shutil.copytree(base_folder, repo / "snapshots/0123456789", copy_function=shutil.copyfile)
    (repo / "refs").mkdir()
    (repo / "refs/main").write_text("0123456789")
    base = load_base(BASE.repo, torch.float32)
    assert base.name == BASE.repo and base.transformer.config.num_layers == 2


def test_a_hub_id_is_found_in_the_default_folder_where_downloads_go(hub_cache, base_folder, tmp_path):
    folder = shutil.copytree(base_folder, tmp_path / "weights" / BASE.name, copy_function=shutil.copyfile)
    assert load_base(BASE.repo, torch.float32).transformer.config.num_layers == 2
    (folder / VAE).unlink()
    with pytest.raises(dismo.DisMoError, match=f"not in {tmp_path / 'weights'}.*vae lacks diffusion_pytorch_model"):
        load_base(BASE.repo)


def test_a_hub_id_that_is_not_here_is_not_fetched_unless_asked(hub_cache, monkeypatch):
    import socket

    def refuse(*_):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(dismo.DisMoError, match="CogVideoX-5b-I2V .about 21.*download=True"):
        load_base(BASE.repo)
    with pytest.raises(dismo.DisMoError, match="style .about.*huggingface.co/someone/style.*download=True"):
        load_base("someone/style")


def test_an_unreachable_hub_is_said(hub_cache, monkeypatch):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(dismo.DisMoError, match="Fetching .* failed.*Check the network"):
        load_base(BASE.repo, download=True)


@pytest.mark.parametrize("source", ["/no/such/folder", "nothing here"])
def test_what_is_neither_folder_nor_id_is_said(source):
    with pytest.raises(dismo.DisMoError, match="There is no folder.*diffusers folder.*CogVideoX-5b-I2V"):
        load_base(source)


def test_a_folder_of_something_else_is_said(tmp_path):
    with pytest.raises(dismo.DisMoError, match="no model_index.json"):
        load_base(tmp_path)


# ComfyUI's single files


def files(folder):
    return dict(
        transformer=folder / TRANSFORMER,
        vae=folder / VAE,
        text_encoder=folder / TEXT_ENCODER,
        tokenizer=folder / "tokenizer",
    )


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_single_files_give_the_same_base(prefix, copy, base_folder, geometry):
    path = copy / TRANSFORMER
    save_file({prefix + name: tensor for name, tensor in load_file(path).items()}, path)
    found = load_base_files(**files(copy), dtype=torch.float32, geometry=geometry)
    expected = load_base(base_folder, torch.float32)
    for a, b in zip(modules(found), modules(expected), strict=True):
        assert all(torch.equal(value, b.state_dict()[name]) for name, value in a.state_dict().items())
    assert found.scheduler_config == expected.scheduler_config
    assert found.tokenizer("a red fox turns.").input_ids == expected.tokenizer("a red fox turns.").input_ids


SAT = {  # part of a name in diffusers -> in the authors' own code, for the toy's four levels
    "mid_block.resnets.0.": "mid.block_1.",
    "mid_block.resnets.1.": "mid.block_2.",
    **{f"down_blocks.{i}.": f"down.{i}." for i in range(4)},
    **{f"up_blocks.{i}.": f"up.{3 - i}." for i in range(4)},
    "resnets.": "block.",
    "downsamplers.0.": "downsample.",
    "upsamplers.0.": "upsample.",
    "conv_shortcut.": "nin_shortcut.",
}


def test_a_vae_under_the_names_of_the_authors_code(copy, base_folder, geometry):
    made = {"loss.logvar": torch.zeros(1)}
    for name, tensor in load_file(copy / VAE).items():
        for own, theirs in SAT.items():
            name = name.replace(own, theirs)
        made[name] = tensor
    assert {"decoder.up.3.block.0.conv1.conv.weight", "encoder.down.0.downsample.conv.weight"} <= made.keys()
    save_file(made, copy / VAE)
    found = load_base_files(**files(copy), dtype=torch.float32, geometry=geometry).vae.state_dict()
    expected = load_base(base_folder, torch.float32).vae.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


def test_a_file_of_another_kind_or_format_is_told_what_it_is(copy, geometry):
    with pytest.raises(
        dismo.DisMoError, match="model.safetensors do not fit AutoencoderKLCogVideoX. They look like a T5"
    ):
        load_base_files(**{**files(copy), "vae": copy / TEXT_ENCODER}, geometry=geometry)
    torch.save({}, copy / "3d-vae.pt")
    with pytest.raises(dismo.DisMoError, match="'3d-vae.pt', '3d-vae.safetensors'"):
        load_base_files(**{**files(copy), "vae": copy / "3d-vae.pt"}, geometry=geometry)


def test_a_transformer_in_two_files(copy, base_folder, geometry):
    tensors = load_file(copy / TRANSFORMER)
    halves = [copy / "first.safetensors", copy / "second.safetensors"]
    for i, half in enumerate(halves):
        save_file({name: t for j, (name, t) in enumerate(tensors.items()) if j % 2 == i}, half)
    found = load_base_files(**{**files(copy), "transformer": halves}, dtype=torch.float32, geometry=geometry)
    expected = load_base(base_folder, torch.float32).transformer.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in found.transformer.state_dict().items())
    assert found.name == "first.safetensors, second.safetensors"
    with pytest.raises(dismo.DisMoError, match="first.safetensors do not fit.*missing"):
        load_base_files(**{**files(copy), "transformer": halves[:1]}, geometry=geometry)


@pytest.mark.parametrize("kind", ["fp16", "float8", "float8 scaled", "float8 scaled, new names"])
def test_text_encoders_as_comfyui_has_them(kind, copy, base_folder, geometry):
    path = copy / TEXT_ENCODER
    tensors = load_file(path)
    tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"].clone()  # some files repeat it
    made, scales = {}, {}
    for name, tensor in tensors.items():
        large = kind != "fp16" and ".layer." in name and tensor.ndim == 2
        if not large:
            made[name] = tensor.to(torch.float8_e4m3fn if kind == "float8" and tensor.ndim == 2 else torch.float16)
        elif kind == "float8":
            made[name] = tensor.to(torch.float8_e4m3fn)
        else:
            scale = tensor.abs().max() / 448
            made[name] = (tensor / scale).to(torch.float8_e4m3fn)
            layer = name.removesuffix(".weight")
            scales[f"{layer}.{'weight_scale' if 'new' in kind else 'scale_weight'}"] = scale
    if scales:
        made["scaled_fp8"] = torch.zeros(2).to(torch.float8_e4m3fn)
    save_file({**made, **scales}, path)

    encoder = load_base_files(**files(copy), dtype=torch.float32, geometry=geometry).text_encoder
    stored = {name for name, p in encoder.named_parameters() if p.dtype == torch.float8_e4m3fn}
    linears = {name.split(".")[-2] for name in stored}
    assert linears == (set() if kind == "fp16" else {"q", "k", "v", "o", "wi"})

    def value(name, tensor):
        scale = scales.get(
            name.replace(".weight", ".scale_weight"), scales.get(name.replace(".weight", ".weight_scale"))
        )
        return tensor.float() if scale is None else tensor.float() * scale

    plain = load_base(base_folder, torch.float32).text_encoder
    plain.load_state_dict({name: value(name, t) for name, t in made.items() if name != "scaled_fp8"})
    with torch.no_grad():
        found, expected, original = encoder(TOKENS)[0], plain(TOKENS)[0], load_base(base_folder, torch.float32)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        error = (found - original.text_encoder(TOKENS)[0]).norm() / found.norm()
    assert error < (1e-3 if kind == "fp16" else 0.1)


@pytest.mark.parametrize("kept", [True, False])
def test_a_folder_may_lack_the_text_encoder_that_a_single_file_holds(copy, base_folder, tmp_path, kept):
    single, tokenizer = tmp_path / "t5.safetensors", tmp_path / "tokenizer"
    shutil.move(copy / TEXT_ENCODER, single)
    if not kept:
        shutil.move(copy / "tokenizer", tokenizer)
    base = load_base(copy, torch.float32, text_encoder=single, tokenizer=tokenizer)
    whole = load_base(base_folder, torch.float32)
    assert torch.equal(base.text_encoder(TOKENS)[0], whole.text_encoder(TOKENS)[0])
    assert base.tokenizer("a red fox").input_ids == whole.tokenizer("a red fox").input_ids


def test_a_folder_may_lack_the_vae_that_a_single_file_holds(copy, base_folder, tmp_path):
    shutil.move(copy / VAE, tmp_path / "vae.safetensors")
    found = load_base(copy, torch.float32, vae=tmp_path / "vae.safetensors").vae.state_dict()
    expected = load_base(base_folder, torch.float32).vae.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in found.items())


def test_the_known_geometry_is_the_released_model():
    from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel
    from transformers import T5Config, T5EncoderModel

    geometry = COGVIDEOX_5B_I2V
    with torch.device("meta"):
        counts = [
            sum(p.numel() for p in part.parameters())
            for part in (
                CogVideoXTransformer3DModel.from_config(dict(geometry.transformer)),
                AutoencoderKLCogVideoX.from_config(dict(geometry.vae)),
                T5EncoderModel(T5Config(**geometry.text_encoder)),
            )
        ]
    assert counts == [5_570_479_680, 215_583_907, 4_762_310_656]


# Tokenizers


def test_a_tokenizer_of_spiece_model_alone(tmp_path):
    import sentencepiece

    text = [f"a red fox turns {w}, and the {w} dog runs over a {w} hill!" for w in "left right slowly quickly".split()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text),
        model_prefix=str(tmp_path / "spiece"),
        vocab_size=80,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    (tmp_path / "spiece.vocab").unlink()
    expected = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    tokenizer = load_tokenizer(tmp_path)
    for prompt in ("a red fox turns.", "  the  dog\n runs!", "Xyz", ""):
        ids = expected.encode(prompt) + [1]
        assert tokenizer(prompt).input_ids == ids
        padded = tokenizer(prompt, padding="max_length", max_length=32, truncation=True).input_ids
        assert padded == ids + [0] * (32 - len(ids))


def test_a_folder_without_tokenizer_is_said(tmp_path):
    with pytest.raises(dismo.DisMoError, match="neither spiece.model nor tokenizer.json"):
        load_tokenizer(tmp_path)


# Wrong bases and broken files


def test_a_text_to_video_base_is_refused(copy):
    change(copy, in_channels=4)
    tensors = load_file(copy / TRANSFORMER)
    tensors["patch_embed.proj.weight"] = tensors["patch_embed.proj.weight"][:, :4].contiguous()
    save_file(tensors, copy / TRANSFORMER)
    with pytest.raises(dismo.DisMoError, match="text-to-video.*4 input channels.*zai-org/CogVideoX-5b-I2V"):
        load_base(copy)


def test_a_text_to_video_file_is_refused(copy, geometry):
    tensors = load_file(copy / TRANSFORMER)
    tensors["patch_embed.proj.weight"] = tensors["patch_embed.proj.weight"][:, :4].contiguous()
    save_file(tensors, copy / TRANSFORMER)
    with pytest.raises(dismo.DisMoError, match="text-to-video.*zai-org/CogVideoX-5b-I2V"):
        load_base_files(**files(copy), geometry=geometry)


@pytest.mark.parametrize("changes", [{"patch_size_t": 2}, {"ofs_embed_dim": 8}])
def test_version_1_5_is_refused(copy, changes):
    change(copy, **changes)
    with pytest.raises(dismo.DisMoError, match=r"CogVideoX 1\.5 .*zai-org/CogVideoX-5b-I2V.*1\.0"):
        load_base(copy)


@pytest.mark.parametrize("name", ["patch_embed.proj.weight", "ofs_embedding.linear_1.weight"])
def test_a_file_of_version_1_5_is_refused(copy, geometry, name):
    tensors = load_file(copy / TRANSFORMER)
    tensors[name] = torch.zeros(32, 64)  # 1.5 embeds patches by a matrix, and has an embedding more
    save_file(tensors, copy / TRANSFORMER)
    with pytest.raises(dismo.DisMoError, match=r"CogVideoX 1\.5 .*zai-org/CogVideoX-5b-I2V"):
        load_base_files(**files(copy), geometry=geometry)


@pytest.mark.parametrize("path", [TRANSFORMER, VAE, TEXT_ENCODER])
def test_a_file_cut_off_is_named(copy, path):
    whole = (copy / path).read_bytes()
    (copy / path).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(dismo.DisMoError, match=f"{(copy / path).name} is not a whole safetensors file"):
        load_base(copy)


@pytest.mark.parametrize("path", ["vae/config.json", TRANSFORMER, "scheduler/scheduler_config.json"])
def test_a_missing_file_is_named(copy, path):
    (copy / path).unlink()
    with pytest.raises(dismo.DisMoError, match=(copy / path).name):
        load_base(copy)


def test_tensors_missing_left_over_and_misshapen_are_listed(copy):
    tensors = load_file(copy / VAE)
    tensors["extra"] = torch.zeros(1)
    tensors["decoder.conv_in.conv.bias"] = torch.zeros(3)
    del tensors["encoder.conv_in.conv.bias"]
    save_file(tensors, copy / VAE)
    with pytest.raises(
        dismo.DisMoError, match="1 missing: encoder.conv_in.*1 unknown: extra.*of another shape: decoder"
    ):
        load_base(copy)
