// Layer norm of a residual sum: s = y + bias + residual takes the place of y (ld), statistics (2, tokens) become
// the mean of s and one over its standard deviation, out = (s - mean) / deviation * scale + shift. The variance is
// that of the differences from the mean. `bias` and `residual` may be null. A token a block.
KERNEL(add_norm, float *out, float *y, const float *bias, const float *residual, const float *scale,
       const float *shift, float *statistics, int d, int ld, float epsilon) {
    SHARED float sums[THREADS];
    SHARED float squares[THREADS];
    PHASE {
        float sum = 0.0f;
        for (int i = thread; i < d; i += THREADS) {
            float s = y[(whole)block * ld + i];
            if (bias) s += bias[i];
            if (residual) s += residual[(whole)block * d + i];
            y[(whole)block * ld + i] = s;
            sum += s;
        }
        sums[thread] = sum;
    }
    SUM_OF_BLOCK(sums)
    PHASE {
        float mean = sums[0] / (float)d, sum = 0.0f;
        for (int i = thread; i < d; i += THREADS) {
            float difference = y[(whole)block * ld + i] - mean;
            sum += difference * difference;
        }
        squares[thread] = sum;
    }
    SUM_OF_BLOCK(squares)
    PHASE {
        float mean = sums[0] / (float)d, inverse = 1.0f / sqrtf(squares[0] / (float)d + epsilon);
        for (int i = thread; i < d; i += THREADS)
            out[(whole)block * d + i] = (y[(whole)block * ld + i] - mean) * inverse * scale[i] + shift[i];
        if (thread == 0) {
            statistics[2 * (whole)block] = mean;
            statistics[2 * (whole)block + 1] = inverse;
        }
    }
}

// The gradient of s from that of `add_norm`'s out: it takes the place of s (ld) and is copied to `copy` (d, tokens).
// With x = (s - mean) / deviation and g = scale dy: ds = (g - mean(g) - x mean(g x)) / deviation. A token a block.
KERNEL(norm_backward, float *s, float *copy, const float *dy, const float *scale, const float *statistics,
       int d, int ld) {
    SHARED float sums[THREADS];
    SHARED float products[THREADS];
    PHASE {
        float mean = statistics[2 * (whole)block], inverse = statistics[2 * (whole)block + 1];
        float sum = 0.0f, product = 0.0f;
        for (int i = thread; i < d; i += THREADS) {
            float g = scale[i] * dy[(whole)block * d + i];
            sum += g;
            product += g * (s[(whole)block * ld + i] - mean) * inverse;
        }
        sums[thread] = sum;
        products[thread] = product;
    }
    SUM_OF_BLOCK(sums)
    SUM_OF_BLOCK(products)
    PHASE {
        float mean = statistics[2 * (whole)block], inverse = statistics[2 * (whole)block + 1];
        float sum = sums[0] / (float)d, product = products[0] / (float)d;
        for (int i = thread; i < d; i += THREADS) {
            float x = (s[(whole)block * ld + i] - mean) * inverse;
            float g = scale[i] * dy[(whole)block * d + i];
            float ds = (g - sum - x * product) * inverse;
            s[(whole)block * ld + i] = ds;
            copy[(whole)block * d + i] = ds;
        }
    }
}

// The gradients of scale and shift, from s, statistics and dy as before `norm_backward`. A thread a row.
KERNEL(norm_parameters, float *dscale, float *dshift, const float *s, const float *dy, const float *statistics,
       int d, int ld, int tokens) {
    PHASE {
        int i = block * THREADS + thread;
        if (i >= d) continue;
        float product = 0.0f, sum = 0.0f;
        for (int t = 0; t < tokens; ++t) {
            float g = dy[(whole)t * d + i];
            sum += g;
            product += g * (s[(whole)t * ld + i] - statistics[2 * (whole)t]) * statistics[2 * (whole)t + 1];
        }
        dscale[i] = product;
        dshift[i] = sum;
    }
}
