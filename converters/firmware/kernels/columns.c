#if defined(__ARM_FEATURE_MVE)
/* Every row against two columns. */
static void rows_two(const struct rows *p, const int8_t *x, const int8_t *y, int8_t *out_x, int8_t *out_y)
{
    rows_one(p, x, out_x);
    rows_one(p, y, out_y);
}
#else
/* Two rows at a time against two columns. */
static void rows_two(const struct rows *p, const int8_t *x, const int8_t *y, int8_t *out_x, int8_t *out_y)
{
    const int32_t depth = p->depth;
    const int32_t *scaling = p->scaling;
    const int8_t *w = p->weights;
    int32_t channel = 0;
    for (; channel + 2 <= p->channels; channel += 2) {
        const int8_t *v = &w[depth];
        int32_t wx = scaling[0];
        int32_t wy = wx;
        int32_t vx = scaling[3];
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
            const int32_t w_even = even(four_w);
            const int32_t w_odd = odd(four_w);
            const int32_t four_v = word(&v[i]);
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
        out_x[channel] = row_result(p, scaling, wx);
        out_y[channel] = row_result(p, scaling, wy);
        out_x[channel + 1] = row_result(p, &scaling[3], vx);
        out_y[channel + 1] = row_result(p, &scaling[3], vy);
        scaling = &scaling[6];
        w = &v[depth];
    }
    if (channel < p->channels) {
        struct rows last = *p;
        last.weights = w;
        last.scaling = scaling;
        last.channels = 1;
        rows_one(&last, x, &out_x[channel]);
        rows_one(&last, y, &out_y[channel]);
    }
}
#endif
