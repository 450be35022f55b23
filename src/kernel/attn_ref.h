/* attn_ref.h - the definition of attention over pages; the second half of vec_ref.c, which
 * includes it.  Contracts and the equations: kernel.h. */

/* a > b ? a : b, so that a NaN in either gives b. */
static float greater(float a, float b)
{
    return a > b ? a : b;
}

/* Halved like the sums: the order decides which zero or NaN comes out. */
static float halved_max(const float s[RG_PAGE])
{
    float a[LANES];
    for (size_t i = 0; i < LANES; i++)
        a[i] = greater(s[i], s[i + LANES]);
    for (size_t h = LANES / 2; h > 0; h /= 2)
        for (size_t i = 0; i < h; i++)
            a[i] = greater(a[i], a[i + h]);
    return a[0];
}

static void attn_one(float *st, const float *q, size_t from, size_t to, const float *k,
                     const float *v, size_t D)
{
    float s[RG_PAGE], sum[LANES] = { 0 };
    for (size_t t = 0; t < RG_PAGE; t++) {
        s[t] = -INFINITY;
        if (t < from || t >= to)
            continue;
        s[t] = 0.0f;
        for (size_t d = 0; d < D; d++)
            s[t] = fmaf(q[d], k[d * RG_PAGE + t], s[t]);
    }

    const float m = st[D], m_new = greater(halved_max(s), m);
    const float c = exp_one(m - m_new); /* m = -infinity: 0 */
    for (size_t t = 0; t < RG_PAGE; t++) {
        s[t] = exp_one(s[t] - m_new); /* unseen: 0 */
        sum[t % LANES] += s[t];
    }
    st[D] = m_new;
    st[D + 1] = fmaf(st[D + 1], c, halved_sum(sum));

    for (size_t d = 0; d < D; d++) {
        st[d] *= c;
        for (size_t t = from; t < to; t++)
            st[d] = fmaf(s[t], v[t * D + d], st[d]);
    }
}

static void attn_page(float *const *st, const float *const *q, const uint8_t *from, const uint8_t *to,
                      size_t M, const float *k, const float *v, size_t D)
{
    for (size_t i = 0; i < M; i++)
        attn_one(st[i], q[i], from[i], to[i], k, v, D);
}

static void attn_end(float *out, const float *st, size_t D)
{
    for (size_t d = 0; d < D; d++)
        out[d] = st[d] / st[D + 1];
}
