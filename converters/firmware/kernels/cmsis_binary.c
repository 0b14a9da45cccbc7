/* Sum or product of two tensors of one shape. */
struct cmsis_binary {
    struct terms terms;
    int32_t count;
};

static int32_t cmsis_binary(const struct cmsis_binary *p, const int8_t *a, const int8_t *b, int8_t *out)
{
    const struct terms *t = &p->terms;
    if (t->sign == 0) {
        return cmsis_failed(arm_elementwise_mul_s8(a, b, t->a_offset, t->b_offset, out, t->zero_point,
                                                   t->out_multiplier, t->out_shift, t->low, t->high, p->count));
    }
    return cmsis_failed(arm_elementwise_add_s8(a, b, t->a_offset, t->a_multiplier, t->a_shift, t->b_offset,
                                               t->b_multiplier, t->b_shift, 20, out, t->zero_point, t->out_multiplier,
                                               t->out_shift, t->low, t->high, p->count));
}
