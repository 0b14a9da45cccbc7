/* Negative values times a slope that is repeated along some axes. */
struct prelu {
    int32_t sizes[4];
    int32_t a_strides[4];
    int32_t b_strides[4];
    int32_t a_offset;
    int32_t b_offset;
    int32_t multiplier;
    int32_t shift;
    int32_t slope_multiplier;
    int32_t slope_shift;
    int32_t zero_point;
};

static void prelu(const struct prelu *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    for (int32_t i = 0; i < p->sizes[0]; i++) {
        for (int32_t j = 0; j < p->sizes[1]; j++) {
            for (int32_t k = 0; k < p->sizes[2]; k++) {
                const int8_t *x = &a[(i * p->a_strides[0]) + (j * p->a_strides[1]) + (k * p->a_strides[2])];
                const int8_t *slope = &b[(i * p->b_strides[0]) + (j * p->b_strides[1]) + (k * p->b_strides[2])];
                for (int32_t n = 0; n < p->sizes[3]; n++) {
                    const int32_t value = x[n * p->a_strides[3]] + p->a_offset;
                    const int32_t below = value * (slope[n * p->b_strides[3]] + p->b_offset);
                    const int32_t result = value >= 0 ? scaled(value, p->multiplier, p->shift)
                                                      : scaled(below, p->slope_multiplier, p->slope_shift);
                    *out = clamped(result + p->zero_point, -128, 127);
                    out++;
                }
            }
        }
    }
}
