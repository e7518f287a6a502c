"""Times a training step of an encoder beside PyTorch's with Hugging Face's transformers and PEFT, on the same
weights and tokens, two threads each, in turns, and prints medians, ratios, losses and the largest memory.

    python3 -m venv target/encoder
    target/encoder/bin/pip install -r benches/peers/peft_requirements.txt
    target/encoder/bin/python benches/peers/encoder.py [--quick] [--repeats 5] [--roberta] [--model DIR]

The encoder has the shape of MiniLM-L6 (6 blocks, d = 384, 12 heads, 1,536 inner, 30,522 tokens) and random
weights; with --roberta also that of RoBERTa-base; with --model a trained one. A step is forward, backward, clipping and AdamW on the adapters of
query and value in all blocks and on the head, in f32; the base is frozen, there is no dropout. Each side is a
process of its own; memory is the largest resident set of that process, the interpreter and libraries
with it, and in brackets what was added since its encoder was read. A ratio below 1 means that ours is
faster, or smaller.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THREADS = "2"
STEPS = 5


def torch_side(folder):
    """The line protocol of trainer/benches/encoder.rs on PyTorch's side."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    torch.set_num_threads(int(THREADS))

    def run(line):
        method, sequences, length, steps = line.split()
        sequences, length, rank = int(sequences), int(length), int(method.removeprefix("lora-"))
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        lora = LoraConfig(
            task_type="SEQ_CLS", r=rank, lora_alpha=2 * rank, target_modules=["query", "value"], lora_dropout=0.0
        )
        model = get_peft_model(model, lora).train()
        count = model.config.vocab_size - 10
        k, i = torch.arange(sequences)[:, None], torch.arange(length)[None]
        ids, labels = 5 + (k * 40_503 + i * 9_973) % count, torch.arange(sequences) % model.config.num_labels
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.01)
        seconds, first = [], None
        for _ in range(int(steps)):
            start = time.perf_counter()
            optimizer.zero_grad()
            loss = model(input_ids=ids, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            seconds.append(time.perf_counter() - start)
            first = loss.item() if first is None else first
        return f"{statistics.median(seconds)} {first}"

    for line in sys.stdin:
        line = line.strip()
        print(memory() if line == "memory" else run(line), flush=True)


def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


class Side:
    """A process that answers a line with a line."""

    def __init__(self, command):
        environment = os.environ | {f"{name}_NUM_THREADS": THREADS for name in ("OMP", "MKL", "RAYON")}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"a side ended at `{line}`")
        return [float(word) for word in answer.split()]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def write(folder, roberta, quick):
    """A random encoder."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, RobertaConfig, RobertaForSequenceClassification

    torch.manual_seed(0)
    sizes = dict(num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    if quick:
        sizes |= dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96)
    elif not roberta:
        sizes |= dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    if roberta:
        config = RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, **sizes)
        model = RobertaForSequenceClassification(config)
    else:
        model = BertForSequenceClassification(BertConfig(**sizes))
    model.save_pretrained(folder)


def copy(model, folder):
    """A trained encoder with a random head."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    dropout = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    AutoModelForSequenceClassification.from_pretrained(model, num_labels=2, **dropout).save_pretrained(folder)


def our_program():
    build = ["cargo", "bench", "-p", "lowrank-trainer", "--bench", "encoder", "--no-run", "--message-format", "short"]
    text = subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    return ROOT / text.rsplit("(", 1)[1].split(")", 1)[0]


def compare(program, label, folder, sequences, length, repeats):
    ours = Side([program, "--serve", folder])
    theirs = Side([sys.executable, __file__, "--torch", folder])
    shape = f"{sequences} {length}"
    for side in (ours, theirs):
        side.ask("lora-8 1 4 1")  # reads the weights, wakes the threads
    start = [side.ask("memory")[0] for side in (ours, theirs)]
    print(f"{label}, batch {sequences} x {length} tokens: milliseconds a step, first loss")
    for rank in (8, 4):
        line, times, losses = f"lora-{rank} {shape} {STEPS}", ([], []), [0, 0]
        for _ in range(repeats):
            for k, side in enumerate((ours, theirs)):
                time.sleep(0.2)
                seconds, losses[k] = side.ask(line)
                times[k].append(seconds)
        a, b = (1e3 * statistics.median(x) for x in times)
        print(f"  LoRA r={rank:<2} ours {a:7.1f} ({losses[0]:.7f})  PEFT {b:7.1f} ({losses[1]:.7f})  ratio {a / b:.2f}")
    peak = [side.ask("memory")[0] for side in (ours, theirs)]
    grown = [p - s for p, s in zip(peak, start)]
    print(
        f"  memory    ours {peak[0]:7.0f} MB ({grown[0]:.0f})  PyTorch {peak[1]:.0f} MB ({grown[1]:.0f})"
        f"  ratio {peak[0] / peak[1]:.2f} ({grown[0] / max(grown[1], 1):.2f})"
    )
    theirs.end()
    lora, lsr = [], []
    for _ in range(2 * repeats):
        lora.append(ours.ask(f"lora-4 {shape} {STEPS}")[0])
        lsr.append(ours.ask(f"lsr-16 {shape} {STEPS}")[0])
    a, b = 1e3 * statistics.median(lora), 1e3 * statistics.median(lsr)
    print(f"  ours: LoRA r=4 {a:.1f}, LSR s=16, r=2x2 {b:.1f}: ratio {b / a:.3f}")
    for line in ("head", "full"):
        print(f"  ours: {line} {1e3 * ours.ask(f'{line} {shape} {STEPS}')[0]:.1f}")
    ours.ask("bf16")
    print(f"  ours: LoRA r=8, the frozen base as bf16 {1e3 * ours.ask(f'lora-8 {shape} {STEPS}')[0]:.1f}")
    ours.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a tiny encoder, to see that all runs")
    parser.add_argument("--roberta", action="store_true", help="RoBERTa-base's shape too")
    parser.add_argument("--model", type=Path, help="a folder with an encoder to take instead of random ones")
    parser.add_argument("--torch", metavar="DIR", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.torch:
        return torch_side(arguments.torch)
    program = our_program()
    for roberta in [False] + [True] * arguments.roberta:
        with tempfile.TemporaryDirectory() as folder:
            if arguments.model:
                copy(arguments.model, folder)
                label = arguments.model.name
            else:
                write(folder, roberta, arguments.quick)
                label = "RoBERTa-base" if roberta else "MiniLM-L6"
            sequences, length = (4, 8) if arguments.quick else (16, 64)
            compare(program, label, folder, sequences, length, 2 if arguments.quick else arguments.repeats)


if __name__ == "__main__":
    main()
