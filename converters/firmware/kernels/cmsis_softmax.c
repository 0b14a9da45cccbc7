/* Softmax of rows. */
struct cmsis_softmax {
    int32_t rows;
    int32_t length;
    int32_t multiplier;
    int32_t shift;
    int32_t least_difference;
};

static int32_t cmsis_softmax(const struct cmsis_softmax *p, const int8_t *in, int8_t *out)
{
    arm_softmax_s8(in, p->rows, p->length, p->multiplier, p->shift, p->least_difference, out);
    return 0;
}
