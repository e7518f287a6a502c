// Sequences lie one after the other without padding: sequence n has the columns first(n), ...,
// first(n) + lengths(n) - 1. For products in batches its heads are copied to (size, longest, heads, sequences), with
// zeros after a sequence's end. Scores (keys, queries) of one head are (longest, longest), a query a column.

// The heads of up to three matrices of y (ld), which begin at the rows row0, row1, row2, with their biases
// (heads size, 3), which may be null: out (size, longest, heads, sequences, 3). Place of a sequence a block, matrix
// a part.
KERNEL(split_heads, float *out, const float *y, const float *bias, const int *first, const int *lengths,
       int row0, int row1, int row2, int heads, int size, int longest, int ld, int sequences) {
    PHASE {
        int n = block / longest, l = block % longest, d = heads * size;
        int row = part == 0 ? row0 : part == 1 ? row1 : row2;
        const float *column = y + (whole)(first[n] + l) * ld + row;
        float *to = out + (whole)part * d * longest * sequences;
        for (int i = thread; i < d; i += THREADS) {
            float x = 0.0f;
            if (l < lengths[n]) x = column[i] + (bias ? bias[part * d + i] : 0.0f);
            to[((whole)(n * heads + i / size) * longest + l) * size + i % size] = x;
        }
    }
}

// The way back, without biases and padding: rows of out (ld).
KERNEL(join_heads, float *out, const float *heads_of, const int *first, const int *lengths, int row0, int row1,
       int row2, int heads, int size, int longest, int ld, int sequences) {
    PHASE {
        int n = block / longest, l = block % longest, d = heads * size;
        if (l >= lengths[n]) continue;
        int row = part == 0 ? row0 : part == 1 ? row1 : row2;
        const float *from = heads_of + (whole)part * d * longest * sequences;
        float *column = out + (whole)(first[n] + l) * ld + row;
        for (int i = thread; i < d; i += THREADS)
            column[i] = from[((whole)(n * heads + i / size) * longest + l) * size + i % size];
    }
}

// Each query's scores become softmax(scale scores) over the keys of its sequence; zero for other keys and for
// queries after the sequence's end. GROUPS queries a block, LANES threads each.
KERNEL(softmax, float *scores, const int *lengths, int heads, int longest, int queries, float scale) {
    SHARED float largest[THREADS];
    SHARED float sums[THREADS];
    PHASE {
        int query = block * GROUPS + thread / LANES;
        largest[thread] = LOWEST;
        if (query >= queries) continue;
        int keys = lengths[query / (heads * longest)];
        const float *column = scores + (whole)query * longest;
        for (int i = thread % LANES; i < keys; i += LANES) largest[thread] = fmaxf(largest[thread], column[i]);
    }
    LARGEST_OF_GROUPS(largest)
    PHASE {
        int query = block * GROUPS + thread / LANES;
        sums[thread] = 0.0f;
        if (query >= queries) continue;
        int keys = lengths[query / (heads * longest)];
        float *column = scores + (whole)query * longest, top = largest[thread - thread % LANES], sum = 0.0f;
        for (int i = thread % LANES; i < keys; i += LANES) {
            float power = expf(scale * (column[i] - top));
            column[i] = power;
            sum += power;
        }
        sums[thread] = sum;
    }
    SUM_OF_GROUPS(sums)
    PHASE {
        int query = block * GROUPS + thread / LANES;
        if (query >= queries) continue;
        int keys = lengths[query / (heads * longest)];
        if (query % longest >= keys) keys = 0;
        float *column = scores + (whole)query * longest, inverse = 1.0f / sums[thread - thread % LANES];
        for (int i = thread % LANES; i < longest; i += LANES) column[i] = i < keys ? column[i] * inverse : 0.0f;
    }
}

// The gradient of the scores before `softmax` from that of its results p: it takes the place of dp.
// ds = scale p (dp - <p, dp>).
KERNEL(softmax_backward, float *dp, const float *p, const int *lengths, int heads, int longest, int queries,
       float scale) {
    SHARED float sums[THREADS];
    PHASE {
        int query = block * GROUPS + thread / LANES;
        sums[thread] = 0.0f;
        if (query >= queries) continue;
        int keys = lengths[query / (heads * longest)];
        float sum = 0.0f;
        for (int i = thread % LANES; i < keys; i += LANES)
            sum += p[(whole)query * longest + i] * dp[(whole)query * longest + i];
        sums[thread] = sum;
    }
    SUM_OF_GROUPS(sums)
    PHASE {
        int query = block * GROUPS + thread / LANES;
        if (query >= queries) continue;
        int keys = lengths[query / (heads * longest)];
        if (query % longest >= keys) keys = 0;
        float sum = sums[thread - thread % LANES];
        for (int i = thread % LANES; i < longest; i += LANES) {
            whole at = (whole)query * longest + i;
            dp[at] = i < keys ? scale * p[at] * (dp[at] - sum) : 0.0f;
        }
    }
}
