/* Sum, difference or product of two tensors; a stride of 0 repeats a value along an axis. */
struct binary {
    int32_t sizes[4];
    int32_t a_strides[4];
    int32_t b_strides[4];
    struct terms terms;
};

static int8_t combined(const struct terms *p, int32_t a, int32_t b)
{
    int32_t result;
    if (p->sign == 0) {
        result = a * b;
    } else {
        const int32_t left = scaled(a * (1 << 20), p->a_multiplier, p->a_shift);
        result = left + (p->sign * scaled(b * (1 << 20), p->b_multiplier, p->b_shift));
    }
    return clamped(scaled(result, p->out_multiplier, p->out_shift) + p->zero_point, p->low, p->high);
}

static void binary(const struct binary *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    for (int32_t i = 0; i < p->sizes[0]; i++) {
        for (int32_t j = 0; j < p->sizes[1]; j++) {
            for (int32_t k = 0; k < p->sizes[2]; k++) {
                const int8_t *x = &a[(i * p->a_strides[0]) + (j * p->a_strides[1]) + (k * p->a_strides[2])];
                const int8_t *y = &b[(i * p->b_strides[0]) + (j * p->b_strides[1]) + (k * p->b_strides[2])];
                for (int32_t n = 0; n < p->sizes[3]; n++) {
                    const int32_t left = x[n * p->a_strides[3]] + p->terms.a_offset;
                    *out = combined(&p->terms, left, y[n * p->b_strides[3]] + p->terms.b_offset);
                    out++;
                }
            }
        }
    }
}
