#if defined(__ARM_FEATURE_MVE)
static int32_t dot(const int8_t *w, const int8_t *x, int32_t depth, int32_t sum)
{
    for (int32_t i = 0; i < depth; i += 16) {
        const mve_pred16_t some = vctp8q((uint32_t)(depth - i));
        sum = vmladavaq_p_s8(sum, vldrbq_z_s8(&w[i], some), vldrbq_z_s8(&x[i], some), some);
    }
    return sum;
}

/* Every row against one column. */
static void rows_one(const struct rows *p, const int8_t *x, int8_t *out)
{
    const int8_t *w = p->weights;
    int32_t channel = 0;
    for (; channel + 4 <= p->channels; channel += 4) {
        const int8_t *w1 = &w[p->depth];
        const int8_t *w2 = &w1[p->depth];
        const int8_t *w3 = &w2[p->depth];
        int32_t s0 = p->bias[channel];
        int32_t s1 = p->bias[channel + 1];
        int32_t s2 = p->bias[channel + 2];
        int32_t s3 = p->bias[channel + 3];
        for (int32_t i = 0; i < p->depth; i += 16) {
            const mve_pred16_t some = vctp8q((uint32_t)(p->depth - i));
            const int8x16_t values = vldrbq_z_s8(&x[i], some);
            s0 = vmladavaq_p_s8(s0, vldrbq_z_s8(&w[i], some), values, some);
            s1 = vmladavaq_p_s8(s1, vldrbq_z_s8(&w1[i], some), values, some);
            s2 = vmladavaq_p_s8(s2, vldrbq_z_s8(&w2[i], some), values, some);
            s3 = vmladavaq_p_s8(s3, vldrbq_z_s8(&w3[i], some), values, some);
        }
        out[channel] = row_result(p, channel, s0);
        out[channel + 1] = row_result(p, channel + 1, s1);
        out[channel + 2] = row_result(p, channel + 2, s2);
        out[channel + 3] = row_result(p, channel + 3, s3);
        w = &w3[p->depth];
    }
    for (; channel < p->channels; channel++) {
        out[channel] = row_result(p, channel, dot(w, x, p->depth, p->bias[channel]));
        w = &w[p->depth];
    }
}

/* Every row against two columns. */
static void rows_two(const struct rows *p, const int8_t *x, const int8_t *y, int8_t *out_x, int8_t *out_y)
{
    rows_one(p, x, out_x);
    rows_one(p, y, out_y);
}
#else
/* Every row against one column. */
static void rows_one(const struct rows *p, const int8_t *x, int8_t *out)
{
    const int8_t *w = p->weights;
    for (int32_t channel = 0; channel < p->channels; channel++) {
        int32_t sum = p->bias[channel];
        int32_t i = 0;
#if defined(__ARM_FEATURE_DSP)
        for (; i + 4 <= p->depth; i += 4) {
            const int32_t a = word(&w[i]);
            const int32_t b = word(&x[i]);
            sum = __smlad(even(a), even(b), sum);
            sum = __smlad(odd(a), odd(b), sum);
        }
#endif
        for (; i < p->depth; i++) {
            sum += (int32_t)w[i] * x[i];
        }
        out[channel] = row_result(p, channel, sum);
        w = &w[p->depth];
    }
}

/* Two rows at a time against two columns. */
static void rows_two(const struct rows *p, const int8_t *x, const int8_t *y, int8_t *out_x, int8_t *out_y)
{
    const int32_t depth = p->depth;
    const int8_t *w = p->weights;
    int32_t channel = 0;
    for (; channel + 2 <= p->channels; channel += 2) {
        const int8_t *v = &w[depth];
        int32_t wx = p->bias[channel];
        int32_t wy = wx;
        int32_t vx = p->bias[channel + 1];
        int32_t vy = vx;
        int32_t i = 0;
#if defined(__ARM_FEATURE_DSP)
        for (; i + 4 <= depth; i += 4) {
            const int32_t four_x = word(&x[i]);
            const int32_t four_y = word(&y[i]);
            const int32_t x_even = even(four_x);
            const int32_t x_odd = odd(four_x);
            const int32_t y_even = even(four_y);
            const int32_t y_odd = odd(four_y);
            const int32_t four_w = word(&w[i]);
            const int32_t four_v = word(&v[i]);
            const int32_t w_even = even(four_w);
            const int32_t w_odd = odd(four_w);
            const int32_t v_even = even(four_v);
            const int32_t v_odd = odd(four_v);
            wx = __smlad(w_odd, x_odd, __smlad(w_even, x_even, wx));
            wy = __smlad(w_odd, y_odd, __smlad(w_even, y_even, wy));
            vx = __smlad(v_odd, x_odd, __smlad(v_even, x_even, vx));
            vy = __smlad(v_odd, y_odd, __smlad(v_even, y_even, vy));
        }
#endif
        for (; i < depth; i++) {
            wx += (int32_t)w[i] * x[i];
            wy += (int32_t)w[i] * y[i];
            vx += (int32_t)v[i] * x[i];
            vy += (int32_t)v[i] * y[i];
        }
        out_x[channel] = row_result(p, channel, wx);
        out_y[channel] = row_result(p, channel, wy);
        out_x[channel + 1] = row_result(p, channel + 1, vx);
        out_y[channel + 1] = row_result(p, channel + 1, vy);
        w = &v[depth];
    }
    if (channel < p->channels) {
        struct rows last = *p;
        last.weights = w;
        last.bias = &p->bias[channel];
        last.multipliers = &p->multipliers[channel];
        last.shifts = &p->shifts[channel];
        last.channels = 1;
        rows_one(&last, x, &out_x[channel]);
        rows_one(&last, y, &out_y[channel]);
    }
}
#endif
