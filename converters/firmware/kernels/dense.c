/* A fully connected layer, or a convolution of one pixel: the same rows for every column. */
struct dense {
    struct rows rows;
    int32_t columns;
};

static void dense(const struct dense *p, const int8_t *in, int8_t *out)
{
    const int32_t depth = p->rows.depth;
    const int32_t channels = p->rows.channels;
    int32_t column = 0;
    for (; column + 2 <= p->columns; column += 2) {
        rows_two(&p->rows, &in[0], &in[depth], &out[0], &out[channels]);
        in = &in[2 * depth];
        out = &out[2 * channels];
    }
    if (column < p->columns) {
        rows_one(&p->rows, in, out);
    }
}
