"""A training step of one frozen linear layer with an adapter, on our side, in PyTorch and in PEFT.

A step is the outputs of T tokens, the gradients of the inputs and those of the trained numbers; no
optimizer. Both sides start with dW = 0, so that the gradient of the inputs is W' dY; its error is shown.
LSR has no peer: its factors are materialised in PyTorch as one would write it, s batched Kronecker products
that are summed, then applied as LoRA's.
"""

import numpy as np
import torch
from peft import LoKrConfig, LoraConfig, get_peft_model
from tensors import Workload


class Layer(torch.nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.dense = torch.nn.Linear(*weight.T.shape, bias=False)
        self.dense.weight = torch.nn.Parameter(torch.from_numpy(weight), requires_grad=False)

    def forward(self, x):
        return self.dense(x)


class LsrLayer(torch.nn.Module):
    """dW = A B, A and B sums of s Kronecker products of shapes balanced as ours, r = 2 x 2."""

    def __init__(self, weight, terms):
        super().__init__()
        self.weight = torch.from_numpy(weight)
        n = len(weight)
        small = next(k for k in range(int(n**0.5), 0, -1) if n % k == 0)
        large, new = n // small, lambda *shape: torch.nn.Parameter(torch.randn(terms, *shape) / 16)
        self.a1, self.a2, self.b1 = new(large, 2), new(small, 2), new(2, large)
        self.b2 = torch.nn.Parameter(torch.zeros(terms, 2, small))

    def forward(self, x):
        a = torch.einsum("sij,skl->ikjl", self.a1, self.a2).reshape(-1, 4)
        b = torch.einsum("sij,skl->ikjl", self.b1, self.b2).reshape(4, -1)
        return torch.nn.functional.linear(x, self.weight) + (x @ b.T) @ a.T


def peft_layer(weight, config):
    return get_peft_model(Layer(weight), config)


def step(folder, name, n, rank, tokens, label):
    w = Workload(f"{name} f32 {n} {rank} {tokens}", f"{label}, {tokens} tokens", f"adapter:{n}:{tokens}")

    def load():
        read = lambda kind: np.load(folder / f"adapter_{kind}_{n}_{tokens}.npy")  # noqa: E731
        weight, x, dy = read("weight"), read("inputs"), read("outputs")
        exact = weight.T.astype(np.float64) @ dy
        tokens_by_rows = [torch.from_numpy(np.ascontiguousarray(m.T)) for m in (x, dy)]
        torch.manual_seed(0)
        if name == "frozen":
            layers = {"torch": Layer(weight)}
        elif name == "lsr":
            layers = {"torch": LsrLayer(weight, rank)}
        elif name == "lokr":
            layers = {"peft": peft_layer(weight, LoKrConfig(r=rank, alpha=rank, target_modules=["dense"]))}
        else:
            config = LoraConfig(r=rank, lora_alpha=rank, target_modules=["dense"], use_dora=name == "dora")
            layers = {"peft": peft_layer(weight, config)}

        def run(layer):
            trained = [p for p in layer.parameters() if p.requires_grad]
            inputs = tokens_by_rows[0].clone().requires_grad_()
            y = layer(inputs)
            return torch.autograd.grad(y, [inputs, *trained], tokens_by_rows[1])[0].T

        w.peers = {peer: lambda layer=layer: run(layer) for peer, layer in layers.items()}
        w.error = lambda found: np.linalg.norm(np.asarray(found) - exact) / np.linalg.norm(exact)

    return w, load


def workloads(folder, quick):
    """Each with a function that reads its inputs and names its peers."""
    n, tokens = (48, 32) if quick else (768, 1024)
    for name, rank, label in (
        ("frozen", 0, "no adapter"),
        ("lora", 4, "LoRA r=4"),
        ("lora", 8, "LoRA r=8"),
        ("lsr", 16, "LSR s=16 r=2x2"),
        ("dora", 8, "DoRA r=8"),
        ("lokr", 8, "LoKr r=8"),
    ):
        yield step(folder, name, n, rank, tokens, f"{label} {n}^2")
