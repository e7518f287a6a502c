// out(:, t) = words(:, ids(t)) + positions(:, places(t)) + types(:, kinds(t)). A token a block.
KERNEL(embed, float *out, const float *words, const float *positions, const float *types, const int *ids,
       const int *places, const int *kinds, int d) {
    PHASE {
        const float *word = words + (whole)ids[block] * d;
        const float *place = positions + (whole)places[block] * d;
        const float *kind = types + (whole)kinds[block] * d;
        for (int i = thread; i < d; i += THREADS) out[(whole)block * d + i] = word[i] + kind[i] + place[i];
    }
}

// The first token of each sequence, or the mean of all of them: out (d, sequences). A sequence a block.
KERNEL(pool, float *out, const float *x, const int *first, const int *lengths, int d, int mean) {
    PHASE {
        int count = mean ? lengths[block] : 1;
        for (int i = thread; i < d; i += THREADS) {
            float sum = 0.0f;
            for (int l = 0; l < count; ++l) sum += x[(whole)(first[block] + l) * d + i];
            out[(whole)block * d + i] = sum / (float)count;
        }
    }
}

// The gradient dx (d, tokens) from that of `pool`. A sequence a block.
KERNEL(pool_backward, float *dx, const float *dout, const int *first, const int *lengths, int d, int mean) {
    PHASE {
        int count = mean ? lengths[block] : 1;
        for (int l = 0; l < lengths[block]; ++l)
            for (int i = thread; i < d; i += THREADS)
                dx[(whole)(first[block] + l) * d + i] =
                    l < count ? dout[(whole)block * d + i] / (float)count : 0.0f;
    }
}
