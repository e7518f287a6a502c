"""Training steps of encoders with LoRA: this project's beside PyTorch's with PEFT, on the same machine.

    python3 -m venv target/encoder
    target/encoder/bin/pip install -r benches/peers/peft_requirements.txt
    cargo build --release -p lowrank-trainer --features cuda --bin encoder_speed
    target/encoder/bin/python benches/peers/encoder_cuda.py                 # on a GPU: f32, TF32, bf16
    target/encoder/bin/python benches/peers/encoder_cuda.py --device cpu    # f32

Writes checkpoints with random weights into a temporary
folder, gives both sides the same tokens, and prints the median times and their ratios; below 1 this project
is faster. A step is forward, backward, clipping and AdamW. The losses before the first step are compared: they must
agree to 1e-4 in f32.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, get_peft_model

SHAPES = {
    "tiny": dict(kind="Bert", layers=2, width=64, heads=4, inner=128, vocabulary=100),
    "6 layers, d=384": dict(kind="Bert", layers=6, width=384, heads=12, inner=1536, vocabulary=30522),
    "RoBERTa-base": dict(kind="Roberta", layers=12, width=768, heads=12, inner=3072, vocabulary=50265),
}
ROOT = Path(__file__).resolve().parents[2]


def checkpoint(shape, folder):
    """A classifier of two classes with random weights."""
    config = getattr(transformers, f"{shape['kind']}Config")(
        vocab_size=shape["vocabulary"],
        hidden_size=shape["width"],
        num_hidden_layers=shape["layers"],
        num_attention_heads=shape["heads"],
        intermediate_size=shape["inner"],
        max_position_embeddings=514,
        type_vocab_size=2 if shape["kind"] == "Bert" else 1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=2,
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{shape['kind']}ForSequenceClassification")(config)
    model.save_pretrained(folder)
    return model


def batch(shape, sequences, length):
    ids = [[5 + (7 * i + 13 * k) % (shape["vocabulary"] - 5) for i in range(length)] for k in range(sequences)]
    return torch.tensor(ids), torch.tensor([k % 2 for k in range(sequences)])


def theirs(model, shape, options, precision):
    """(loss before the first step, median seconds, trained numbers)."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    if precision == "bf16":
        model = model.to(torch.bfloat16)
    config = LoraConfig(
        task_type="SEQ_CLS", r=options.rank, lora_alpha=2 * options.rank, target_modules=["query", "value"]
    )
    model = get_peft_model(model, config).to(options.device).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    ids, labels = (x.to(options.device) for x in batch(shape, options.sequences, options.length))
    mask = torch.ones_like(ids)

    def step():
        enabled = precision == "bf16"
        with torch.autocast(options.device, dtype=torch.bfloat16, enabled=enabled):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        return loss.item()  # waits for the device

    first = step()
    for _ in range(2):
        step()
    seconds = []
    for _ in range(options.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return first, statistics.median(seconds), sum(p.numel() for p in trained)


def ours(folder, options, precision, terms=None):
    command = [str(options.program), "--model", folder, "--device", options.device, "--precision", precision]
    for name in ["sequences", "length", "rank", "steps"]:
        command += [f"--{name}", str(getattr(options, name))]
    if terms:
        command += ["--terms", str(terms)]
    threads = os.environ | {"RAYON_NUM_THREADS": str(options.threads)} if options.device == "cpu" else None
    done = subprocess.run(command, capture_output=True, text=True, env=threads)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--precision", nargs="+", choices=["f32", "tf32", "bf16"], help="all of them on a GPU; f32 on a CPU")
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES)[1:])
    parser.add_argument("--sequences", type=int, default=16)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2, help="of both on a CPU")
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/encoder_speed")
    options = parser.parse_args()
    if not options.program.exists():
        sys.exit(f"{options.program} is not there: build it as this file's head says, or name it with --program")
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU: pass --device cpu")
    torch.set_num_threads(options.threads)
    precisions = options.precision or (["f32"] if options.device == "cpu" else ["f32", "tf32", "bf16"])
    print(f"{options.sequences} x {options.length} tokens, LoRA r={options.rank} on query and value, {options.device}")
    print(f"{'encoder':18} {'':5} {'ours':>10} {'LSR s=16':>10} {'PyTorch':>10} {'ratio':>6} {'loss':>9} {'theirs':>9}")
    for name in options.shapes:
        shape = SHAPES[name]
        for precision in precisions:
            with tempfile.TemporaryDirectory() as folder:
                model = checkpoint(shape, folder)
                mine, lsr = ours(folder, options, precision), ours(folder, options, precision, terms=16)
                loss, seconds, trained = theirs(model, shape, options, precision)
            ratio = mine["seconds"] / seconds
            times = " ".join(f"{1e3 * x:7.2f} ms" for x in [mine["seconds"], lsr["seconds"], seconds])
            print(f"{name:18} {precision:5} {times} {ratio:6.2f} {mine['loss']:9.6f} {loss:9.6f}", flush=True)
            if mine["trained"] != trained:
                sys.exit(f"this project trains {mine['trained']} numbers, PEFT {trained}")
            if precision == "f32" and abs(mine["loss"] - loss) > 1e-4:
                sys.exit("the losses differ: the two sides do not compute the same")


if __name__ == "__main__":
    main()
