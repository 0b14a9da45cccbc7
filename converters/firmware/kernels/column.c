#if defined(__ARM_FEATURE_MVE)
/* Four rows at a time against one column. */
static void rows_one(const struct rows *p, const int8_t *x, int8_t *out)
{
    const int32_t depth = p->depth;
    const int32_t whole = depth & ~15;
    const mve_pred16_t rest = vctp8q((uint32_t)(depth - whole));
    const int32_t *scaling = p->scaling;
    const int8_t *w = p->weights;
    int32_t channel = 0;
    for (; channel + 4 <= p->channels; channel += 4) {
        const int8_t *w1 = &w[depth];
        const int8_t *w2 = &w1[depth];
        const int8_t *w3 = &w2[depth];
        int32_t s0 = scaling[0];
        int32_t s1 = scaling[3];
        int32_t s2 = scaling[6];
        int32_t s3 = scaling[9];
        for (int32_t i = 0; i < whole; i += 16) {
            const int8x16_t values = vldrbq_s8(&x[i]);
            s0 = vmladavaq_s8(s0, vldrbq_s8(&w[i]), values);
            s1 = vmladavaq_s8(s1, vldrbq_s8(&w1[i]), values);
            s2 = vmladavaq_s8(s2, vldrbq_s8(&w2[i]), values);
            s3 = vmladavaq_s8(s3, vldrbq_s8(&w3[i]), values);
        }
        if (whole < depth) {
            const int8x16_t values = vldrbq_z_s8(&x[whole], rest);
            s0 = vmladavaq_p_s8(s0, vldrbq_z_s8(&w[whole], rest), values, rest);
            s1 = vmladavaq_p_s8(s1, vldrbq_z_s8(&w1[whole], rest), values, rest);
            s2 = vmladavaq_p_s8(s2, vldrbq_z_s8(&w2[whole], rest), values, rest);
            s3 = vmladavaq_p_s8(s3, vldrbq_z_s8(&w3[whole], rest), values, rest);
        }
        const int32_t four[4] = {s0, s1, s2, s3};
        four_results(p, scaling, vldrwq_s32(four), vctp32q(4U), &out[channel]);
        scaling = &scaling[12];
        w = &w3[depth];
    }
    for (; channel < p->channels; channel++) {
        int32_t sum = scaling[0];
        for (int32_t i = 0; i < depth; i += 16) {
            const mve_pred16_t some = vctp8q((uint32_t)(depth - i));
            sum = vmladavaq_p_s8(sum, vldrbq_z_s8(&w[i], some), vldrbq_z_s8(&x[i], some), some);
        }
        out[channel] = row_result(p, scaling, sum);
        scaling = &scaling[3];
        w = &w[depth];
    }
}
#else
/* Every row against one column. */
static void rows_one(const struct rows *p, const int8_t *x, int8_t *out)
{
    const int32_t depth = p->depth;
    const int32_t *scaling = p->scaling;
    const int8_t *w = p->weights;
    for (int32_t channel = 0; channel < p->channels; channel++) {
        int32_t sum = scaling[0];
        int32_t i = 0;
#if defined(__ARM_FEATURE_DSP)
        for (; i + 4 <= depth; i += 4) {
            const int32_t a = word(&w[i]);
            const int32_t b = word(&x[i]);
            sum = __smlad(even(a), even(b), sum);
            sum = __smlad(odd(a), odd(b), sum);
        }
#endif
        for (; i < depth; i++) {
            sum += (int32_t)w[i] * x[i];
        }
        out[channel] = row_result(p, scaling, sum);
        scaling = &scaling[3];
        w = &w[depth];
    }
}
#endif
