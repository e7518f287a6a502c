// How a kernel is written, so that one source runs on a GPU and, for the tests, on a CPU.
//
// A kernel is a sequence of phases: what a block's threads do between two points where all of them wait for
// each other. `PHASE { ... }` is the work of one thread, `thread`, of the THREADS of block (block, part). From one
// phase to the next only memory stays, shared or global; `continue` ends a thread's part of a phase, and there is
// no `return`. On a CPU a phase is a loop over the threads, in either order: a result that depends on it is a
// race.
//
// Sums over a block are taken pairwise in one fixed order, so that results are the same in every run.
// Matrices are by columns; `ld` is the distance of one column from the next.

#define THREADS 256
#define LOWEST (-3.402823466e38f)
typedef unsigned short bf16; // the upper half of a float
typedef long long whole;     // places in memory

#ifdef __CUDACC__

#define KERNEL(name, ...) extern "C" __global__ void __launch_bounds__(THREADS) name(__VA_ARGS__)
#define PHASE for (int thread = (int)threadIdx.x, once = 1; once; once = 0, __syncthreads())
#define SHARED __shared__
#define DEVICE __device__ __forceinline__
#define block ((int)blockIdx.x)
#define part ((int)blockIdx.y)
#define bits_of(x) __float_as_uint(x)

#else

#include <cmath>
#include <cstring>
#include <utility>

static thread_local int block, part;
static thread_local bool reversed;

// A phase for each thread, first to last or last to first.
#define PHASE                                                                                                \
    for (int step = 0, thread; step < THREADS && (thread = reversed ? THREADS - 1 - step : step, true); ++step)
#define SHARED
#define DEVICE static inline
static inline unsigned bits_of(float x) {
    unsigned bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void *const *arguments, std::index_sequence<I...>) {
    kernel(*static_cast<A *>(arguments[I])...);
}
template <class... A>
static void launch(void (*kernel)(A...), int blocks, int parts, void *const *arguments, int order) {
    reversed = order != 0;
    for (part = 0; part < parts; ++part)
        for (block = 0; block < blocks; ++block)
            call(kernel, arguments, std::index_sequence_for<A...>());
}

// The kernel's own name is that of a function which runs all blocks, one after the other.
#define KERNEL(name, ...)                                                                                    \
    static void name##_block(__VA_ARGS__);                                                                   \
    extern "C" void name(int blocks, int parts, void *const *arguments, int order) {                         \
        launch(name##_block, blocks, parts, arguments, order);                                               \
    }                                                                                                        \
    static void name##_block(__VA_ARGS__)

#endif

// sums[0] becomes the sum of all THREADS numbers of `sums`.
#define SUM_OF_BLOCK(sums)                                                                                   \
    for (int half = THREADS / 2; half > 0; half /= 2)                                                        \
        PHASE {                                                                                              \
            if (thread < half) sums[thread] += sums[thread + half];                                          \
        }

// The same for groups of LANES threads: the first of each gets the sum, or the largest number.
#define LANES 32
#define GROUPS (THREADS / LANES)
#define SUM_OF_GROUPS(sums)                                                                                  \
    for (int half = LANES / 2; half > 0; half /= 2)                                                          \
        PHASE {                                                                                              \
            if (thread % LANES < half) sums[thread] += sums[thread + half];                                  \
        }
#define LARGEST_OF_GROUPS(numbers)                                                                           \
    for (int half = LANES / 2; half > 0; half /= 2)                                                          \
        PHASE {                                                                                              \
            if (thread % LANES < half) numbers[thread] = fmaxf(numbers[thread], numbers[thread + half]);     \
        }

// The nearest bf16, ties to even; NaN stays NaN.
DEVICE bf16 narrowed(float x) {
    unsigned bits = bits_of(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bf16)(bits >> 16 | 64u);
    return (bf16)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
