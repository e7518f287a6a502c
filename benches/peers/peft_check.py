"""Loads the adapters that this project writes into Hugging Face's PEFT and compares the numbers.

    python3 -m venv target/peft
    target/peft/bin/pip install -r benches/peers/peft_requirements.txt
    target/peft/bin/python benches/peers/peft_check.py [--model data/minilm]

For the tiny BERT and RoBERTa of trainer/tests/checkpoints, and for the BERT of --model if it is there, the Rust side
(benches/peers/peft.rs) exports an adapter of each method that is of low rank, with a head. A warning, a key that is
missing or unexpected, a number that differs ends the check with an error. The logits of the whole encoder and
the outputs of each adapted layer are compared before and after merging, relative to their largest entry, to
1e-5; after unmerging the weights are those from before but for rounding. Printed beside is what
merging in bf16 changes in the outputs of layers.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("error")
# PEFT's own use of transformers, whatever the adapter.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")

import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

transformers.utils.logging.disable_progress_bar()
ROOT = Path(__file__).resolve().parents[2]
BOUND = 1e-5


def pinned():
    """Ends where another version is installed than the one that is asked for."""
    for line in (Path(__file__).parent / "peft_requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, wanted = line.split("==")
            if version(name).split("+")[0] != wanted:
                sys.exit(f"{name} {version(name)} is installed, {wanted} is asked for: pip install {line}")


def classifier(model, folder):
    """A trained encoder with a head, which is random: to be trained."""
    config = transformers.AutoConfig.from_pretrained(model, num_labels=3)
    torch.manual_seed(0)
    out = transformers.BertForSequenceClassification(config)
    state = load_file(model / "model.safetensors")
    state = {f"bert.{name}": value for name, value in state.items() if "position_ids" not in name}
    lost, strange = out.load_state_dict(state, strict=False)
    if set(lost) != {"classifier.weight", "classifier.bias"} or strange:
        sys.exit(f"{model}: missing {lost}, unexpected {strange}")
    out.save_pretrained(folder)


def load(base, folder, layers):
    """The base with PEFT's adapter; for SVD-LoRA the base has the truncated weights."""
    of = transformers.AutoModelForSequenceClassification
    model, info = of.from_pretrained(base, output_loading_info=True)
    if any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")):
        sys.exit(f"{base}: {info}")
    state = model.state_dict()
    for name, value in layers.items():
        if name.endswith(".base"):
            state[name.removesuffix(".base") + ".weight"].copy_(value)
    out = peft.PeftModel.from_pretrained(model, folder)
    stored = load_file(folder / "adapter_model.safetensors")
    taken = peft.get_peft_model_state_dict(out, save_embedding_layers=False)
    if taken.keys() != stored.keys() or any(not torch.equal(taken[key], stored[key]) for key in stored):
        sys.exit(f"{folder}: PEFT took other numbers than were written")
    return out.eval()


def distance(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def check(base, folder):
    """The largest differences over the adapted layers, before and after merging."""
    layers = load_file(folder / "ours.safetensors")
    model = load(base, folder, layers)
    modules = dict(model.base_model.model.named_modules())
    paths = sorted(name.removesuffix(".x") for name in layers if name.endswith(".x"))
    adapted = [name for name, module in modules.items() if isinstance(module, peft.tuners.lora.Linear)]
    if sorted(adapted) != paths:
        sys.exit(f"{folder}: PEFT adapts {adapted}, ours {paths}")
    weights = {path: modules[path].base_layer.weight.clone() for path in paths}
    output = lambda path: modules[path](layers[f"{path}.x"]) - modules[path].base_layer.bias  # noqa: E731
    count = sum(name.startswith("tokens.") for name in layers)
    tokens = [layers[f"tokens.{k}"].long()[None] for k in range(count)]
    logits = lambda: torch.cat([model(input_ids=ids).logits for ids in tokens])  # noqa: E731
    worst = [0.0, 0.0, 0.0]
    with torch.no_grad():
        worst[0] = distance(layers["logits"], logits())
        for path in paths:
            worst[0] = max(worst[0], distance(layers[f"{path}.y"], output(path)))
        model.merge_adapter()
        worst[1] = max(distance(layers[which], logits()) for which in ("logits", "merged"))
        for path in paths:
            worst[1] = max(worst[1], distance(layers[f"{path}.y"], output(path)))
        model.unmerge_adapter()
        for path in paths:
            worst[2] = max(worst[2], distance(weights[path], modules[path].base_layer.weight))
    for value, what in zip(worst, ("before merging", "after merging", "after unmerging")):
        if not value <= BOUND:
            sys.exit(f"{folder}: {what} PEFT differs by {value:.1e} of the largest entry")
    return worst, half(base, folder, layers, paths)


def half(base, folder, layers, paths):
    """The largest difference that merging makes where all is stored in bf16."""
    model = load(base, folder, layers).bfloat16()
    modules = dict(model.base_model.model.named_modules())
    inputs = {path: layers[f"{path}.x"].bfloat16() for path in paths}
    with torch.no_grad():
        apart = {path: modules[path](inputs[path]).float() for path in paths}
        model.merge_adapter()
        return max(distance(modules[path](inputs[path]).float(), apart[path]) for path in paths)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "data/minilm", help="folder of a BERT encoder")
    model = parser.parse_args().model
    pinned()
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}")
    print(f"{'model':10}{'method':24}{'apart':>9}{'merged':>9}{'unmerged':>10}{'bf16':>9}")
    with tempfile.TemporaryDirectory() as scratch:
        bases = {name: ROOT / "trainer/tests/checkpoints" / name for name in ("bert", "roberta")}
        if (model / "model.safetensors").exists():
            bases[model.name] = Path(scratch) / "model"
            classifier(model, bases[model.name])
        for name, base in bases.items():
            out = Path(scratch) / f"{name}-out"
            run = ["cargo", "bench", "--quiet", "--workspace", "--bench", "peft", "--", base, out]
            subprocess.run(run, cwd=ROOT, check=True)
            folders = sorted(out.iterdir())
            if len(folders) < 7:
                sys.exit(f"only {len(folders)} adapters were written")
            for folder in folders:
                (apart, merged, unmerged), rounded = check(base, folder)
                print(f"{name:10}{folder.name:24}{apart:9.0e}{merged:9.0e}{unmerged:10.0e}{rounded:9.0e}")
    print(f"All within {BOUND:.0e}. In bf16 merging changes the outputs by what the last column says.")


main()
