"""Runs NumPy, SciPy, scikit-learn, PyTorch (CPU), PEFT, FastKron, linear_operator, TensorLy, pyttb,
torchTT, tntorch and teneva and this project on the same inputs, two threads each, in turns, and prints one
table: medians, the ratio of times, the errors of both.

    python3 -m venv target/peers
    target/peers/bin/pip install -r benches/peers/requirements.txt
    target/peers/bin/python benches/peers/compare.py [--only WORD] [--repeats 5] [--quick]

A ratio below 1 means that ours is faster. The matrices have the singular values 1, 1/2, 1/3, ... and
random singular vectors; the tensors are described in tensors.py, the layers with adapters in adapters.py.
Errors are computed here, by the same lines for both sides: of a truncated SVD |A - X|_F over the smallest
possible, minus 1, and so of a nearest sum of Kronecker products; of a full SVD |A - X|_F / |A|_F; of products
|X z - A (B z)| / |A (B z)| for random z; of Kronecker products |X - A b|_F / |A b|_F; of tensors and trains
|A - X|_F / |A|_F; of inner products the difference over the product of the norms; of crosses in the Euclidean
norm over 10,000 random places, with the evaluations on standard error. Truncated SVDs draw rank + 10 columns
on both sides; the errors of randomized ones are means over the seeds 0 to 4. The spread is half the distance
of the quartiles of the times, over their median: a ratio is not known better than that.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

THREADS = "2"
for variable in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "RAYON"):
    os.environ[f"{variable}_NUM_THREADS"] = THREADS

import adapters  # noqa: E402
import numpy as np  # noqa: E402
import tensors  # noqa: E402
import scipy.linalg  # noqa: E402
import scipy.sparse.linalg  # noqa: E402
import torch  # noqa: E402
from linear_operator.operators import DenseLinearOperator, KroneckerProductLinearOperator  # noqa: E402
from pyfastkron import fastkrontorch  # noqa: E402
from sklearn.utils.extmath import randomized_svd  # noqa: E402

torch.set_num_threads(int(THREADS))
ROOT = Path(__file__).resolve().parents[2]
OVERSAMPLING = 10
DRAWS = 5


class Ours:
    """The Rust side: a process that runs a workload for each line."""

    def __init__(self, program, folder):
        self.folder = folder
        self.process = subprocess.Popen(
            [program, "--serve", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, line):
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"our side ended at `{line}`")
        return float(answer)

    def result(self, line, file="ours.npy"):
        """An array, or the cores of a train."""
        self.seconds(f"{line} keep")
        return tensors.cores_of(self.folder / file) if file.endswith("npz") else np.load(self.folder / file)


class Input:
    """The matrices of one scalar and size, and the same memory as torch tensors."""

    def __init__(self, folder, scalar, n):
        self.n = n
        self.a = np.load(folder / f"a_{scalar}_{n}.npy")
        self.b = np.load(folder / f"b_{scalar}_{n}.npy")
        self.ta, self.tb = torch.from_numpy(self.a), torch.from_numpy(self.b)
        self.out = np.ones_like(self.a)
        self.tout = torch.from_numpy(self.out)
        dtype = self.a.dtype
        self.factors = []
        for name in "ab":
            with np.load(folder / f"{name}_factors_f64_{n}.npz") as file:
                self.factors.append((file["u"].astype(dtype), file["v"].astype(dtype)))

    def truncation_error(self, x, rank):
        a = self.a.astype(np.float64)
        best = np.sqrt(np.sum(1.0 / np.arange(rank + 1, self.n + 1) ** 2.0))
        return np.linalg.norm(a - x) / best - 1.0

    def nearest_error(self, x, rank):
        r = rearranged(self.a.astype(np.float64))
        best = np.linalg.norm(np.linalg.svd(r, compute_uv=False)[rank:])
        return np.linalg.norm(r - x) / best - 1.0

    def svd_error(self, x):
        return np.linalg.norm(self.a - x) / np.linalg.norm(self.a)

    def product_error(self, x):
        a, b, x = (m.astype(np.float64) for m in (self.a, self.b, x))
        z = np.random.default_rng(0).standard_normal((self.n, 8))
        right = a @ (b @ z)
        return np.linalg.norm(x @ z - right) / np.linalg.norm(right)


def dense(u, s, vt):
    """U diag(s) V' in double precision."""
    return (np.asarray(u, np.float64) * np.asarray(s, np.float64)) @ np.asarray(vt, np.float64)


def torch_svd(x, rank, steps, seed=0):
    torch.manual_seed(seed)
    u, s, v = torch.svd_lowrank(x.ta, q=rank + OVERSAMPLING, niter=steps)
    return u[:, :rank], s[:rank], v[:, :rank].T


def scikit_svd(x, rank, steps, seed=0):
    return randomized_svd(x.a, rank, n_oversamples=OVERSAMPLING, n_iter=steps, random_state=seed)


def propack(x, rank, _):
    return scipy.sparse.linalg.svds(x.a, k=rank, solver="propack", rng=0)


def numpy_two_sided(x, *_):
    (ua, va), (ub, vb) = x.factors
    return np.matmul(ua @ (va.T @ ub), vb.T, out=x.out)


def rearranged(a):
    """A copy of a (n, n) whose row j p + i is the block (q, p) number (i, j) of a, column by column: the
    matrix that sums of products (p, q) (x) (q, p) are sums of outer products in."""
    n = len(a)
    p = next(p for p in range(int(np.ceil(n**0.5)), n + 1) if n % p == 0)
    q = n // p
    return a.reshape(p, q, q, p).transpose(2, 0, 3, 1).reshape(n, n)


def torch_nearest(x, rank, steps):
    r = torch.from_numpy(rearranged(x.a))
    u, s, v = torch.svd_lowrank(r, q=rank + OVERSAMPLING, niter=steps)
    return u[:, :rank], s[:rank], v[:, :rank].T


def scikit_nearest(x, rank, steps):
    return randomized_svd(rearranged(x.a), rank, n_oversamples=OVERSAMPLING, n_iter=steps, random_state=0)


def propack_nearest(x, rank, _):
    return scipy.sparse.linalg.svds(rearranged(x.a), k=rank, solver="propack", rng=0)


class Kronecker:
    """Factors A, B, A, ..., each (n, n), and a block of columns, kept one column after the other."""

    latest = (None, None)

    def __init__(self, x, columns, d):
        rows = x.n**d
        i, j = np.arange(rows, dtype=np.uint64), np.arange(columns, dtype=np.uint64)[:, None]
        block = (i * np.uint64(2_654_435_761) + j * np.uint64(40_503)) % np.uint64(1024)
        self.block = (block / 512.0 - 1.0).astype(x.a.dtype)  # (columns, rows)
        self.tblock = torch.from_numpy(self.block)
        self.factors = [[x.ta, x.tb][k % 2] for k in range(d)]
        self.transposed = [f.T.contiguous() for f in self.factors]
        self.tall = self.tblock.T.contiguous()  # (rows, columns), for those that read it by rows
        self.operator = KroneckerProductLinearOperator(*map(DenseLinearOperator, self.factors))

    @staticmethod
    def of(x, columns, d):
        """The latest one is kept."""
        if Kronecker.latest[0] != (id(x), columns, d):
            Kronecker.latest = ((id(x), columns, d), Kronecker(x, columns, d))
        return Kronecker.latest[1]

    def modes(self, block, factors):
        """Mode by mode; torch's matmul takes many small matrices at once."""
        n = len(factors[0])
        for k, f in enumerate(factors):
            right = n ** (len(factors) - 1 - k)
            if right == 1:
                block = (block.reshape(-1, n) @ f.T).reshape(block.shape)
            else:
                block = torch.matmul(f, block.reshape(-1, n, right)).reshape(block.shape)
        return block

    def error(self, result):
        """Of a result (columns, rows)."""
        exact = self.modes(self.tblock.double(), [f.double() for f in self.factors])
        return float(torch.linalg.norm(torch.as_tensor(result).double() - exact) / torch.linalg.norm(exact))


def torch_kronecker(x, columns, d):
    k = Kronecker.of(x, columns, d)
    return k.modes(k.tblock, k.factors)


def operator_kronecker(x, columns, d):
    k = Kronecker.of(x, columns, d)
    return k.operator.matmul(k.tall).T


def fastkron_kronecker(x, columns, d):
    k = Kronecker.of(x, columns, d)
    return fastkrontorch.gemkm(k.tblock, k.transposed)


def workloads(quick):
    """Name on our side, scalar, size, rank, power steps, and the peers: name and function."""
    sizes = (256,) if quick else (2048, 4096)
    n = sizes[0]
    ranks = (16,) if quick else (32, 64, 128)
    for scalar in ("f64", "f32"):
        for size in sizes:
            for rank in ranks:
                for steps in (0, 1, 2):
                    peers = {"torch": torch_svd}
                    if size == n and rank in (16, 64):
                        peers["scikit-learn"] = scikit_svd
                    yield "randomized", scalar, size, rank, steps, peers
    yield "truncated", "f64", n, min(64, n // 8), 0, {"scipy propack": propack}
    full = {
        "numpy": lambda x, *_: np.linalg.svd(x.a, full_matrices=False),
        "scipy gesdd": lambda x, *_: scipy.linalg.svd(x.a, full_matrices=False, lapack_driver="gesdd"),
        "torch": lambda x, *_: torch.linalg.svd(x.ta, full_matrices=False),
    }
    yield "svd", "f64", n, 0, 0, full
    products = {
        "numpy": lambda x, *_: np.matmul(x.a, x.b, out=x.out),
        "torch": lambda x, *_: torch.matmul(x.ta, x.tb, out=x.tout),
    }
    for scalar in ("f64", "f32"):
        yield "two_sided", scalar, n, 0, 0, {"numpy": numpy_two_sided, "numpy full": products["numpy"]}
        yield "product", scalar, n, 0, 0, products
    for scalar in ("f64", "f32"):
        nearest = {"torch": torch_nearest, "scikit-learn": scikit_nearest, "scipy propack": propack_nearest}
        yield "nearest", scalar, 256 if quick else 768, 16, 2, nearest
    kronecker = {"fastkron": fastkron_kronecker, "torch": torch_kronecker, "linear_operator": operator_kronecker}
    for scalar in ("f64", "f32"):
        for size, factors in ((16, 3), (32, 2)) if quick else ((64, 3), (32, 4), (512, 2)):
            yield "kronecker", scalar, size, 16, factors, kronecker


def error(name, x, rank, steps, result):
    if name == "kronecker":
        kronecker = Kronecker.of(x, rank, steps)
        return kronecker.error(result.T if isinstance(result, np.ndarray) else result)
    found = dense(*result) if isinstance(result, tuple) else np.asarray(result)
    if name in ("randomized", "truncated"):
        return x.truncation_error(found, rank)
    if name == "nearest":
        return x.nearest_error(found, rank)
    return x.svd_error(found) if name == "svd" else x.product_error(found)


def mean_error(name, x, rank, steps, run):
    """The error of run(seed); of a randomized workload the mean over seeds."""
    seeds = range(DRAWS) if name == "randomized" else [0]
    return statistics.mean(error(name, x, rank, steps, run(seed)) for seed in seeds)


def spread(times):
    """Half the distance of the quartiles, over the median."""
    low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
    return (high - low) / 2 / middle


def rested(run):
    """Seconds of one run, after the threads of the one before have gone to sleep."""
    time.sleep(0.2)
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def our_program():
    """Builds our side; the path of the program."""
    build = ["cargo", "bench", "--bench", "peers", "--no-run", "--message-format", "short"]
    text = subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stderr
    return ROOT / text.rsplit("(", 1)[1].split(")", 1)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="workloads whose line holds this text")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all runs")
    parser.add_argument("--inputs", type=Path, help="a folder for the inputs, made there once; else temporary")
    arguments = parser.parse_args()
    chosen = [w for w in workloads(arguments.quick) if arguments.only in " ".join(map(str, w[:5]))]
    program = our_program()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.inputs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        both = [*tensors.workloads(folder, arguments.quick), *adapters.workloads(folder, arguments.quick)]
        others = [w for w in both if arguments.only in w[0].line]
        missing = {str(w[2]) for w in chosen if not (folder / f"b_factors_f64_{w[2]}.npz").exists()}
        words = missing | {w.word for w, _ in others if w.word}
        subprocess.run([program, "--inputs", folder, *sorted(words)], check=True)
        ours = Ours(program, folder)
        compare(chosen, ours, folder, arguments.repeats)
        compare_others(others, ours, arguments.repeats)


def compare(chosen, ours, folder, repeats):
    print(f"numpy {np.__version__}, scipy {scipy.__version__}, torch {torch.__version__}; {THREADS} threads;")
    print(f"medians of {repeats} runs in turns, milliseconds; errors: see compare.py")
    print(
        f"{'workload':<30} {'peer':<14} {'ours':>8} {'spread':>6} {'peer':>8} {'spread':>6} {'ratio':>6}"
        f" {'our error':>10} {'peer error':>10}"
    )
    inputs = {}
    for name, scalar, n, rank, steps, peers in chosen:
        if (scalar, n) not in inputs:
            inputs = {(scalar, n): Input(folder, scalar, n)}  # one at a time, for the memory's sake
        x = inputs[scalar, n]
        line = f"{name} {scalar} {n} {rank} {steps}"
        own_error = mean_error(name, x, rank, steps, lambda seed: ours.result(f"{line} seed {seed}"))
        seeded = name == "randomized"
        errors = {
            peer: mean_error(name, x, rank, steps, lambda seed: run(x, rank, steps, *([seed] if seeded else [])))
            for peer, run in peers.items()
        }
        label = f"{name} {scalar} {n}" + (f" k={rank}" if rank else "") + (f" q={steps}" if name == "randomized" else "")
        if name == "kronecker":
            label = f"{name} {scalar} {n}^{steps} x {rank}"
        bound = {peer: lambda run=run: run(x, rank, steps) for peer, run in peers.items()}
        in_turns(ours, line, label, bound, own_error, errors, repeats)


def compare_others(chosen, ours, repeats):
    for workload, load in chosen:
        load()
        own_error = workload.error(ours.result(workload.line, workload.ours))
        errors = {peer: workload.error(run()) for peer, run in workload.peers.items()}
        in_turns(ours, workload.line, workload.label, workload.peers, own_error, errors, repeats)
        workload.peers, workload.error = {}, None  # frees the inputs


def in_turns(ours, line, label, peers, own_error, errors, repeats):
    """Times both sides in turns and prints a row a peer."""
    own, times = [], {peer: [] for peer in peers}
    for _ in range(repeats):
        time.sleep(0.2)
        own.append(ours.seconds(line))
        for peer, run in peers.items():
            times[peer].append(rested(run))
    mine = 1e3 * statistics.median(own)
    for peer in peers:
        theirs = 1e3 * statistics.median(times[peer])
        print(
            f"{label:<30} {peer:<14} {mine:8.1f} {spread(own):6.0%} {theirs:8.1f} {spread(times[peer]):6.0%}"
            f" {mine / theirs:6.2f} {own_error:10.2e} {errors[peer]:10.2e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
