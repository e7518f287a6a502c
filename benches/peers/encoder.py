"""Times a training step of an encoder beside PyTorch's with Hugging Face's transformers and PEFT, on the same weights and
tokens, on the CPU or an NVIDIA GPU.

    python3 -m venv target/encoder
    target/encoder/bin/pip install -r benches/peers/peft_requirements.txt
    target/encoder/bin/python benches/peers/encoder.py                  # on the CPU, f32
    target/encoder/bin/python benches/peers/encoder.py --device cuda    # on a GPU, f32, TF32, bf16
    target/encoder/bin/python benches/peers/encoder.py --encoders RoBERTa-base data/minilm

An encoder is one of the shapes below with random weights, or a folder with a trained one. A step is forward, backward,
clipping and AdamW on the adapters of query and value in all blocks and on the head; the base is frozen, there is no
dropout. bf16 on the CPU: ours stores the frozen weights so, PyTorch computes so too.

Each side is a process of its own; they run in turns, each time a median of --steps steps after three that are not
timed. Printed are medians over the turns and their ratios, the first loss, and the largest memory: on the CPU the
largest resident set of a process, interpreter and libraries with it, and in brackets what was added since its encoder
was read; on a GPU what was allocated there. LSR beside LoRA is ours alone: the last number is the median of the
ratios of the turns. A ratio below 1 means that ours, or LSR, is faster or smaller. Both sides must train as many
numbers, and their first losses must agree to 1e-4 in f32.
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNTIMED = 3
SHAPES = {
    "tiny": ("Bert", dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96)),
    "MiniLM-L6": ("Bert", dict(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)),
    "RoBERTa-base": ("Roberta", dict(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1)),
}


def torch_side(folder, device, precision):
    """The line protocol of trainer/benches/encoder.rs on PyTorch's side."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    rounded = precision == "bf16"

    def run(line):
        method, sequences, length, steps = line.split()
        sequences, length, rank = int(sequences), int(length), int(method.removeprefix("lora-"))
        gc.collect()  # the model before
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        model = model.to(torch.bfloat16) if rounded else model
        lora = LoraConfig(
            task_type="SEQ_CLS", r=rank, lora_alpha=2 * rank, target_modules=["query", "value"], lora_dropout=0.0
        )
        model = get_peft_model(model, lora).to(device).train()
        count = model.config.vocab_size - 10
        k, i = torch.arange(sequences)[:, None], torch.arange(length)[None]
        ids, labels = 5 + (k * 40_503 + i * 9_973) % count, torch.arange(sequences) % model.config.num_labels
        ids, labels = ids.to(device), labels.to(device)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.01)
        seconds, losses = [], []
        for _ in range(UNTIMED + int(steps)):
            start = time.perf_counter()
            optimizer.zero_grad()
            with torch.autocast(device, dtype=torch.bfloat16, enabled=rounded):
                loss = model(input_ids=ids, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            losses.append(loss.item())  # waits for the device
            seconds.append(time.perf_counter() - start)
        return f"{statistics.median(seconds[UNTIMED:])} {losses[0]} {sum(p.numel() for p in trained)}"

    def memory():
        with open("/proc/self/status") as status:
            host = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
        return f"{host} {torch.cuda.max_memory_allocated() / 2**20 if device == 'cuda' else 0}"

    for line in sys.stdin:
        line = line.strip()
        print(memory() if line == "memory" else run(line), flush=True)


class Side:
    """A process that answers a line with a line."""

    def __init__(self, command, threads):
        environment = os.environ | {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "MKL", "RAYON")}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, line):
        """The numbers of the answer."""
        time.sleep(0.2)  # until the other side's threads rest
        try:
            print(line, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            sys.exit(f"{' '.join(map(str, self.process.args))} ended at `{line}`")
        return [float(word) for word in answer.split()]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def write(encoder, folder):
    """An encoder of one of the shapes, random; or a trained one with a random head."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    changes = dict(num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    if encoder in SHAPES:
        family, sizes = SHAPES[encoder]
        config = getattr(transformers, f"{family}Config")(**sizes, **changes)
        model = getattr(transformers, f"{family}ForSequenceClassification")(config)
    else:
        model = transformers.AutoModelForSequenceClassification.from_pretrained(encoder, **changes)
    model.save_pretrained(folder)


def our_program(device):
    build = ["cargo", "bench", "--workspace", "--bench", "encoder", "--no-run", "--message-format", "short"]
    build += ["--features", "lowrank-trainer/cuda"] if device == "cuda" else []
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return ROOT / done.stderr.rsplit("(", 1)[1].split(")", 1)[0]


def compare(options, program, label, folder, precision):
    place = [folder, options.device, precision]
    ours = Side([program, "--serve", *place], options.threads)
    theirs = Side([sys.executable, __file__, "--torch", *place], options.threads)
    shape = f"{options.sequences} {options.length} {options.steps}"
    for side in (ours, theirs):
        side.ask("lora-8 1 4 1")  # reads the weights, wakes the threads
    start = [side.ask("memory")[0] for side in (ours, theirs)]
    print(
        f"{label}, {options.device}, {precision}, {options.sequences} x {options.length} tokens:"
        " milliseconds a step (first loss), memory"
    )
    for rank in options.ranks:
        answers = [[side.ask(f"lora-{rank} {shape}") for side in (ours, theirs)] for _ in range(options.repeats)]
        a, b = (1e3 * statistics.median(turn[k][0] for turn in answers) for k in (0, 1))
        (_, loss, count), (_, other, their_count) = answers[0]
        print(f"  LoRA r={rank:<2} ours {a:7.1f} ({loss:.7f})  PEFT {b:7.1f} ({other:.7f})  ratio {a / b:.2f}", flush=True)
        if count != their_count:
            sys.exit(f"this project trains {count:.0f} numbers, PEFT {their_count:.0f}")
        if precision == "f32" and abs(loss - other) > 1e-4:
            sys.exit("the losses differ: the two sides do not compute the same")
    peak = [side.ask("memory") for side in (ours, theirs)]
    if options.device == "cpu":
        (a, b), (c, d) = [p[0] for p in peak], [p[0] - s for p, s in zip(peak, start)]
        print(f"  memory    ours {a:7.0f} MiB ({c:.0f})  PyTorch {b:.0f} MiB ({d:.0f})  ratio {a / b:.2f} ({c / max(d, 1):.2f})")
    else:
        a, b = (p[1] for p in peak)
        print(f"  memory    ours {a:7.0f} MiB  PyTorch {b:.0f} MiB  ratio {a / b:.2f}")
    theirs.end()
    methods = ("lora-4", "lsr-16")
    turns = [[1e3 * ours.ask(f"{method} {shape}")[0] for method in methods] for _ in range(4 * options.repeats)]
    a, b = (statistics.median(turn[k] for turn in turns) for k in (0, 1))
    ratio = statistics.median(lsr / lora for lora, lsr in turns)
    print(f"  ours, {len(turns)} turns: LoRA r=4 {a:.1f}, LSR s=16, r=2x2 {b:.1f}, ratio {ratio:.2f}", flush=True)
    rest = [f"{method} {1e3 * ours.ask(f'{method} {shape}')[0]:.1f}" for method in ("head", "full")]
    ours.end()
    if (options.device, precision) == ("cpu", "f32"):
        rounded = Side([program, "--serve", folder, "cpu", "bf16"], options.threads)
        rest.append(f"LoRA r=8 with the frozen base as bf16 {1e3 * rounded.ask(f'lora-8 {shape}')[0]:.1f}")
        rounded.end()
    print(f"  ours: {', '.join(rest)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    precisions = ["f32", "tf32", "bf16"]
    parser.add_argument("--precision", nargs="+", choices=precisions, help="f32 on the CPU, all of them on a GPU")
    names = f"of {', '.join(SHAPES)}, or folders"
    parser.add_argument("--encoders", nargs="+", default=["MiniLM-L6"], help=names, metavar="ENCODER")
    parser.add_argument("--quick", action="store_true", help="a tiny encoder and few tokens, to see that all runs")
    parser.add_argument("--repeats", type=int, default=5, help="turns")
    parser.add_argument("--steps", type=int, default=5, help="of each turn")
    parser.add_argument("--sequences", type=int, default=16)
    parser.add_argument("--length", type=int, default=64, help="tokens of a sequence")
    parser.add_argument("--ranks", type=int, nargs="+", default=[8, 4])
    parser.add_argument("--threads", type=int, default=2, help="of each side")
    parser.add_argument("--program", type=Path, help="our side, where it is built already: the bench `encoder`")
    parser.add_argument("--torch", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch:
        return torch_side(*options.torch)
    if options.quick:
        options.encoders, options.repeats, options.sequences, options.length = ["tiny"], 2, 4, 8
    chosen = options.precision or (["f32"] if options.device == "cpu" else precisions)
    if options.device == "cpu" and "tf32" in chosen:
        parser.error("--precision tf32 is for a GPU: pass --device cuda")
    for encoder in options.encoders:
        if encoder not in SHAPES and not (Path(encoder) / "config.json").is_file():
            parser.error(f"--encoders {encoder}: neither {', '.join(SHAPES)} nor a folder with a config.json")
    if options.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            parser.error("--device cuda: PyTorch finds no GPU")
    program = (options.program or our_program(options.device)).resolve()
    words = " ".join(["encoder.py", *sys.argv[1:]])
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers", "peft"))
    print(f"{words}: {versions}; {options.threads} threads", flush=True)
    for encoder in dict.fromkeys(options.encoders):
        with tempfile.TemporaryDirectory() as folder:
            write(encoder, folder)
            for precision in chosen:
                compare(options, program, Path(encoder).name, folder, precision)


if __name__ == "__main__":
    main()
