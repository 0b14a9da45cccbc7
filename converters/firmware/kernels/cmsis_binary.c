/* Sum or product of two tensors of one shape. */
struct cmsis_binary {
    int32_t a_offset;
    int32_t b_offset;
    int32_t a_multiplier;
    int32_t a_shift;
    int32_t b_multiplier;
    int32_t b_shift;
    int32_t out_multiplier;
    int32_t out_shift;
    int32_t zero_point;
    int32_t low;
    int32_t high;
    int32_t sign; /* 1 to add, 0 to multiply */
    int32_t count;
};

static int32_t cmsis_binary(const struct cmsis_binary *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    if (p->sign == 0) {
        return cmsis_failed(arm_elementwise_mul_s8(a, b, p->a_offset, p->b_offset, out, p->zero_point,
                                                   p->out_multiplier, p->out_shift, p->low, p->high, p->count));
    }
    return cmsis_failed(arm_elementwise_add_s8(a, b, p->a_offset, p->a_multiplier, p->a_shift, p->b_offset,
                                               p->b_multiplier, p->b_shift, 20, out, p->zero_point, p->out_multiplier,
                                               p->out_shift, p->low, p->high, p->count));
}
