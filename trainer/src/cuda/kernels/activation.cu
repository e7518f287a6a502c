// x (m, columns; ld) gets a bias. A column a block.
KERNEL(add_bias, float *x, const float *bias, int m, int ld) {
    PHASE {
        for (int i = thread; i < m; i += THREADS) x[(whole)block * ld + i] += bias[i];
    }
}

// The function between the two layers of a feed-forward part: x Phi(x) by the error function (0), its approximation
// by tanh (1), max(x, 0) (2).
DEVICE float gate_of(float x, int kind) {
    if (kind == 0) return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    if (kind == 1) return 0.5f * x * (1.0f + tanhf(0.79788456f * x * (1.0f + 0.044715f * x * x)));
    return x < 0.0f ? 0.0f : x; // NaN stays NaN
}

DEVICE float slope_of(float x, int kind) {
    if (kind == 0) return 0.5f * (1.0f + erff(x * 0.70710678f)) + x * 0.39894228f * expf(-0.5f * x * x);
    if (kind == 1) {
        float t = tanhf(0.79788456f * x * (1.0f + 0.044715f * x * x));
        return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.79788456f * (1.0f + 0.134145f * x * x);
    }
    return x > 0.0f ? 1.0f : 0.0f;
}

// out (m, tokens) = f(z + bias) with z (m, tokens; ld). A token a block.
KERNEL(gate, float *out, const float *z, const float *bias, int m, int ld, int kind) {
    PHASE {
        for (int i = thread; i < m; i += THREADS)
            out[(whole)block * m + i] = gate_of(z[(whole)block * ld + i] + bias[i], kind);
    }
}

// The gradient of z from that of `gate`, da (m, tokens): it takes the place of z. A token a block.
KERNEL(gate_backward, float *z, const float *da, const float *bias, int m, int ld, int kind) {
    PHASE {
        for (int i = thread; i < m; i += THREADS)
            z[(whole)block * ld + i] =
                da[(whole)block * m + i] * slope_of(z[(whole)block * ld + i] + bias[i], kind);
    }
}

// y (m, columns; ld) = tanh(y + bias). A column a block.
KERNEL(bias_tanh, float *y, const float *bias, int m, int ld) {
    PHASE {
        for (int i = thread; i < m; i += THREADS) {
            float x = y[(whole)block * ld + i];
            y[(whole)block * ld + i] = tanhf(x + bias[i]);
        }
    }
}

// The gradient before `bias_tanh` from that after it, dy (m, columns): it takes the place of y. A column a block.
KERNEL(tanh_backward, float *y, const float *dy, int m, int ld) {
    PHASE {
        for (int i = thread; i < m; i += THREADS) {
            float tanh = y[(whole)block * ld + i];
            y[(whole)block * ld + i] = dy[(whole)block * m + i] * (1.0f - tanh * tanh);
        }
    }
}

// The gradient of a bias: out (m) = sums of the rows of dy (m, columns; ld). A thread a row.
KERNEL(row_sums, float *out, const float *dy, int m, int ld, int columns) {
    PHASE {
        int i = block * THREADS + thread;
        if (i >= m) continue;
        float sum = 0.0f;
        for (int t = 0; t < columns; ++t) sum += dy[(whole)t * ld + i];
        out[i] = sum;
    }
}

// out = x in bf16, both (m, columns; ld). A column a block.
KERNEL(narrow, bf16 *out, const float *x, int m, int ld) {
    PHASE {
        for (int i = thread; i < m; i += THREADS) out[(whole)block * ld + i] = narrowed(x[(whole)block * ld + i]);
    }
}
