/* Rows of weights against columns of values. */
struct rows {
    const int8_t *weights;      /* [channels][depth] */
    const int32_t *bias;        /* [channels], the input's zero point folded in */
    const int32_t *multipliers; /* [channels] */
    const int8_t *shifts;       /* [channels] */
    int32_t depth;
    int32_t channels;
    int32_t zero_point;
    int32_t low;
    int32_t high;
};

static int8_t row_result(const struct rows *p, int32_t channel, int32_t sum)
{
    return clamped(scaled(sum, p->multipliers[channel], p->shifts[channel]) + p->zero_point, p->low, p->high);
}

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)
static int32_t word(const int8_t *from)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return four;
}

static int32_t even(int32_t four)
{
    return (int32_t)__sxtb16((uint32_t)four);
}

static int32_t odd(int32_t four)
{
    return (int32_t)__sxtb16(__ror((uint32_t)four, 8));
}
#endif
