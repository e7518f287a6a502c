"""The workloads of tensors: their inputs, peers and errors.

Dense tensors are (n, n, n): ten random terms and a tenth of noise. Trains are of order d, sizes n; the
random one has independent Gaussian cores, the singular values of the smooth one fall by 3 at each bond.
"""

import sys
import warnings
from dataclasses import dataclass, field
from typing import Callable

import numpy as np
import torch

warnings.filterwarnings("ignore")
import pyttb  # noqa: E402
import tensorly  # noqa: E402
import teneva  # noqa: E402
import tntorch  # noqa: E402
import torchtt  # noqa: E402
from tensorly.cp_tensor import CPTensor, cp_to_tensor  # noqa: E402
from tensorly.decomposition import parafac, partial_tucker  # noqa: E402


@dataclass
class Workload:
    """A line for our side, the word its input is made from, and the peers; see `inputs`."""

    line: str
    label: str
    word: str
    peers: dict = field(default_factory=dict)  # by name, a function without arguments
    error: Callable = None  # of a result, ours or a peer's
    ours: str = "ours.npy"


def contract(a, factors, mode):
    """The MTTKRP as NumPy does it: two products, one of them of matrices."""
    n, rank = factors[0].shape
    first, last = [k for k in range(3) if k != mode]
    moved = np.moveaxis(a, mode, 0)
    if mode == 2:
        khatri_rao = (factors[0][:, None] * factors[1]).reshape(-1, rank)
        return a.reshape(-1, n).T @ khatri_rao
    partial = (moved.reshape(-1, n) @ factors[last]).reshape(n, n, rank)
    return np.einsum("ijr,jr->ir", partial, factors[first])


def numpy_cp(a, start, sweeps):
    factors = [f.copy() for f in start]
    for _ in range(sweeps):
        for mode in (2, 1, 0):  # as ours: other orders go other ways
            gram = np.multiply.reduce([f.T @ f for k, f in enumerate(factors) if k != mode])
            factors[mode] = np.linalg.solve(gram, contract(a, factors, mode).T).T
    return np.einsum("ir,jr,kr->ijk", *factors, optimize=True)


def pyttb_cp(a, start, sweeps):
    # The start is copied: the call normalizes it in place.
    start = pyttb.ktensor([f.copy(order="F") for f in start])
    found, _, _ = pyttb.cp_als(a, start.ncomponents, stoptol=0.0, maxiters=sweeps, init=start, printitn=0)
    return lambda: found.full().double()


def tensorly_cp(a, start, sweeps):
    start = CPTensor((None, [f.copy() for f in start]))
    found = parafac(a, start.factors[0].shape[1], init=start, n_iter_max=sweeps, tol=0)
    return lambda: cp_to_tensor(found)


def gram_hosvd(a, rank):
    """Sequentially, from the Gram matrices."""
    factors = []
    for mode in range(3):
        x = np.moveaxis(a, mode, 0).reshape(a.shape[mode], -1)
        u = np.linalg.eigh(x @ x.T)[1][:, -rank:]
        factors.append(u)
        a = np.moveaxis(np.tensordot(u.T, a, (1, mode)), 0, mode)
    return lambda: np.einsum("abc,ia,jb,kc->ijk", a, *factors, optimize=True)


def pyttb_hosvd(a, rank):
    found = pyttb.hosvd(a, tol=0.0, verbosity=0, ranks=np.full(3, rank))
    return lambda: found.full().double()


def tensorly_hosvd(a, rank):
    # Of no iterations: the decomposition that it starts from.
    (core, factors), _ = partial_tucker(a, [rank] * 3, n_iter_max=0, tol=0)
    return lambda: tensorly.tucker_tensor.tucker_to_tensor((core, factors))


def dense(folder, name, scalar, n, rank, steps):
    word = f"tensor:{n}"
    w = Workload(f"{name} {scalar} {n} {rank} {steps}", f"{name} {scalar} {n}^3 r={rank}", word)

    def load():
        a = np.load(folder / f"tensor_{scalar}_{n}.npy")
        start = [np.load(folder / f"factor{k}_{n}.npy")[:, :rank].astype(a.dtype) for k in range(3)]
        fortran = pyttb.tensor(np.asfortranarray(a))
        if name == "mttkrp":
            # Of mode 0, 1 or 2; TensorLy's is this one too.
            exact = contract(a.astype(np.float64), [f.astype(np.float64) for f in start], steps)
            torches = [torch.from_numpy(f) for f in start]
            ta, letters = torch.from_numpy(a), "ijk"
            others = [k for k in range(3) if k != steps]
            text = f"ijk,{letters[others[0]]}r,{letters[others[1]]}r->{letters[steps]}r"
            w.label += f" mode {steps}"
            w.peers = {
                "numpy": lambda: contract(a, start, steps),
                "torch": lambda: torch.einsum(text, ta, *[torches[k] for k in others]),
                "pyttb": lambda: fortran.mttkrp(start, steps),
                "tensorly": lambda: tensorly.cp_tensor.unfolding_dot_khatri_rao(a, (None, start), steps),
            }
        elif name == "cp":
            exact = a.astype(np.float64)
            w.label += f" {steps} sweeps"
            w.peers = {
                "numpy": lambda: numpy_cp(a, start, steps),
                "tensorly": lambda: tensorly_cp(a, start, steps),
            }
            if scalar == "f64":  # pyttb has no other factors
                w.peers["pyttb"] = lambda: pyttb_cp(fortran, start, steps)
        else:
            exact = a.astype(np.float64)
            w.peers = {
                "numpy gram": lambda: gram_hosvd(a, rank),
                "pyttb": lambda: pyttb_hosvd(fortran, rank),
                "tensorly": lambda: tensorly_hosvd(a, rank),
            }

        def error(result):
            found = np.asarray(result() if callable(result) else result, np.float64).reshape(exact.shape)
            return np.linalg.norm(found - exact) / np.linalg.norm(exact)

        w.error = error

    return w, load


def cores_of(path):
    with np.load(path) as file:
        return [file[f"core_{k}"] for k in range(sum(name.startswith("core_") for name in file.files))]


def inner(x, y):
    state = np.ones((1, 1))
    for a, b in zip(x, y):
        state = np.einsum("pq,pis,qit->st", state, a, b, optimize=True)
    return state[0, 0]


def distance(x, y):
    """|X - Y|_F by orthogonal factors: no squares of norms are subtracted."""
    state = np.concatenate([np.ones((1, 1)), -np.ones((1, 1))], axis=1)  # (k, left ranks of x and of y)
    for a, b in zip(x, y):
        left = np.tensordot(state[:, : a.shape[0]], a, 1)
        right = np.tensordot(state[:, a.shape[0] :], b, 1)
        both = np.concatenate([left, right], axis=2)
        state = np.linalg.qr(both.reshape(-1, both.shape[2]), mode="r")
    half = x[-1].shape[2]
    return float(np.linalg.norm(state[:, :half].sum(1) + state[:, half:].sum(1)))


def hadamard(x, y):
    return [
        np.einsum("aib,cid->acibd", a, b).reshape(a.shape[0] * b.shape[0], a.shape[1], -1) for a, b in zip(x, y)
    ]


def as_cores(result):
    """The cores of ours, which are a path, and of the peers' trains."""
    if not isinstance(result, list):
        result = getattr(result, "cores", result)
    return [np.asarray(core) for core in result]


def trains(folder, name, n, rank, order):
    word = f"train:{n}:{rank}:{order}"
    w = Workload(f"{name} f64 {n} {rank} {order}", f"{name} f64 {n}^{order} r={rank}", word, ours="ours.npz")

    def load():
        random = cores_of(folder / f"random_{n}_{rank}_{order}.npz")
        smooth = cores_of(folder / f"smooth_{n}_{rank}_{order}.npz")
        tt = lambda cores: torchtt.TT([torch.from_numpy(core) for core in cores])  # noqa: E731
        if name == "inner":
            exact = inner(random, smooth)
            w.ours = "ours.npy"
            x, y = tt(random), tt(smooth)
            w.peers = {
                "torchtt": lambda: torchtt.dot(x, y).numpy(),
                "teneva": lambda: teneva.mul_scalar(random, smooth),
            }
            scale = np.sqrt(inner(random, random) * inner(smooth, smooth))
            w.error = lambda result: abs(float(np.ravel(result)[0]) - exact) / scale
            return
        if name == "round":
            twice = tt(random) + tt(random)
            both = as_cores(twice)
            w.peers = {"torchtt": lambda: twice.round(1e-8), "teneva": lambda: teneva.truncate(both, 1e-8)}
            exact = both
        else:
            x = tt(smooth)
            w.peers = {
                "torchtt": lambda: (x * x).round(1e-8, 2 * rank),
                "teneva": lambda: teneva.truncate(teneva.mul(smooth, smooth), 1e-8, 2 * rank),
            }
            exact = hadamard(smooth, smooth)
        scale = np.sqrt(inner(exact, exact))
        w.error = lambda result: distance(exact, as_cores(result)) / scale

    return w, load


def cross(n, order):
    w = Workload(f"cross f64 {n} 0 {order}", f"cross f64 {n}^{order}", "", ours="ours.npz")
    grid = np.linspace(0.0, 1.0, n)
    points = np.random.default_rng(0).integers(0, n, (10_000, order))
    exact = 1.0 / (1.0 + grid[points].sum(1))

    def with_tntorch():
        torch.set_default_dtype(torch.float64)  # its start is of this type
        domain = [torch.from_numpy(grid)] * order
        f = lambda *x: 1.0 / (1.0 + sum(x))  # noqa: E731
        found, info = tntorch.cross(f, domain, eps=1e-8, verbose=False, return_info=True, suppress_warnings=True)
        return "tntorch", found, int(info["nsamples"])

    def with_teneva():
        info = {}
        start = teneva.rand([n] * order, 1, seed=0)
        found = teneva.cross(lambda i: 1.0 / (1.0 + grid[i].sum(1)), start, e=1e-8, dr_max=2, info=info)
        return "teneva", teneva.truncate(found, 1e-10), info["m"]

    def error(result):
        if isinstance(result, tuple):
            peer, result, evaluations = result
            print(f"{peer}: {evaluations} evaluations", file=sys.stderr)
        found = np.ones((len(points), 1))
        for k, core in enumerate(as_cores(result)):
            found = np.einsum("pa,apb->pb", found, core[:, points[:, k]], optimize=True)
        return np.linalg.norm(found[:, 0] - exact) / np.linalg.norm(exact)

    w.peers = {"tntorch": with_tntorch, "teneva": with_teneva}
    w.error = error
    return w, lambda: None


def workloads(folder, quick):
    """Each with a function that reads its inputs and names its peers."""
    for scalar in ("f64", "f32"):
        yield dense(folder, "hosvd", scalar, 20 if quick else 200, 4 if quick else 20, 0)
        yield dense(folder, "cp", scalar, 20 if quick else 200, 10, 5)
        for mode in range(3):
            yield dense(folder, "mttkrp", scalar, 20 if quick else 200, 8 if quick else 32, mode)
    for name, rank in (("round", 32), ("inner", 64), ("hadamard", 16)):
        yield trains(folder, name, 4 if quick else 16, 4 if quick else rank, 6 if quick else 20)
    yield cross(8 if quick else 32, 3 if quick else 10)
