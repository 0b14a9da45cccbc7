/* Mean over some axes. */
struct mean {
    int32_t kept[4];
    int32_t kept_strides[4];
    int32_t reduced[4];
    int32_t reduced_strides[4];
    int32_t offset; /* minus the zero point, times how many values are averaged */
    int32_t multiplier;
    int32_t shift;
    int32_t zero_point;
};

static int32_t sum_of(const struct mean *p, const int8_t *in)
{
    int32_t sum = p->offset;
    for (int32_t i = 0; i < p->reduced[0]; i++) {
        for (int32_t j = 0; j < p->reduced[1]; j++) {
            for (int32_t k = 0; k < p->reduced[2]; k++) {
                for (int32_t n = 0; n < p->reduced[3]; n++) {
                    sum += in[(i * p->reduced_strides[0]) + (j * p->reduced_strides[1]) +
                              (k * p->reduced_strides[2]) + (n * p->reduced_strides[3])];
                }
            }
        }
    }
    return sum;
}

static void mean(const struct mean *p, const int8_t *in, int8_t *out)
{
    for (int32_t i = 0; i < p->kept[0]; i++) {
        for (int32_t j = 0; j < p->kept[1]; j++) {
            for (int32_t k = 0; k < p->kept[2]; k++) {
                for (int32_t n = 0; n < p->kept[3]; n++) {
                    const int32_t sum = sum_of(p, &in[(i * p->kept_strides[0]) + (j * p->kept_strides[1]) +
                                                      (k * p->kept_strides[2]) + (n * p->kept_strides[3])]);
                    *out = clamped(scaled(sum, p->multiplier, p->shift) + p->zero_point, -128, 127);
                    out++;
                }
            }
        }
    }
}
