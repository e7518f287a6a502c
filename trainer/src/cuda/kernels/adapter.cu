// One factor of an adapter's update: sum_k P_k (x) Q_k with P_k (m1, r1) and Q_k (m2, r2), k < terms, each by
// columns, one after the other from numbers + first and numbers + second. For second < 0 there is but Q = 1, as for
// LoRA. The sum (m1 m2, r1 r2; ld) is at `sum`, in bf16 where `is_narrow`; its gradient (gradient_ld) at
// `gradient`.
struct Job {
    void *sum;
    const float *gradient;
    int first, second, terms, m1, r1, m2, r2, ld, gradient_ld, is_narrow;
};

DEVICE float second_factor(const Job &job, const float *numbers, int k, int i, int j) {
    return job.second < 0 ? 1.0f : numbers[job.second + (k * job.r2 + j) * job.m2 + i];
}

// The sums of all jobs in one launch: an entry a thread, a job a part.
KERNEL(materialise, const Job *jobs, const float *numbers) {
    PHASE {
        const Job job = jobs[part];
        int m = job.m1 * job.m2, at = block * THREADS + thread;
        if (at >= m * job.r1 * job.r2) continue;
        int i = at % m, j = at / m;
        int i1 = i / job.m2, i2 = i % job.m2, j1 = j / job.r2, j2 = j % job.r2;
        float sum = 0.0f;
        for (int k = 0; k < job.terms; ++k)
            sum += numbers[job.first + (k * job.r1 + j1) * job.m1 + i1] * second_factor(job, numbers, k, i2, j2);
        if (job.is_narrow) {
            ((bf16 *)job.sum)[(whole)j * job.ld + i] = narrowed(sum);
        } else {
            ((float *)job.sum)[(whole)j * job.ld + i] = sum;
        }
    }
}

// The gradients of all jobs' numbers from those of their sums, the adjoint of `materialise`, in one launch: a number a
// thread, a job a part.
KERNEL(pull_back, const Job *jobs, const float *numbers, float *gradients) {
    PHASE {
        const Job job = jobs[part];
        int at = block * THREADS + thread, p = job.m1 * job.r1, q = job.m2 * job.r2;
        if (at < job.terms * p) {
            int k = at / p, i1 = at % p % job.m1, j1 = at % p / job.m1;
            float sum = 0.0f;
            for (int j2 = 0; j2 < job.r2; ++j2) {
                const float *column = job.gradient + (whole)(j1 * job.r2 + j2) * job.gradient_ld + i1 * job.m2;
                for (int i2 = 0; i2 < job.m2; ++i2) sum += column[i2] * second_factor(job, numbers, k, i2, j2);
            }
            gradients[job.first + at] = sum;
        } else if (job.second >= 0 && at < job.terms * (p + q)) {
            at -= job.terms * p;
            int k = at / q, i2 = at % q % job.m2, j2 = at % q / job.m2;
            float sum = 0.0f;
            for (int j1 = 0; j1 < job.r1; ++j1) {
                const float *column = job.gradient + (whole)(j1 * job.r2 + j2) * job.gradient_ld + i2;
                for (int i1 = 0; i1 < job.m1; ++i1)
                    sum += column[i1 * job.m2] * numbers[job.first + (k * job.r1 + j1) * job.m1 + i1];
            }
            gradients[job.second + at] = sum;
        }
    }
}
