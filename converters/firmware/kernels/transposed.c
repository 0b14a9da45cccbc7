/* Transposed convolution: each output pixel gathers the input pixels that reach it; the others are zero point. */
struct transposed {
    struct rows rows; /* weights [channels][kernel_height][kernel_width][in_channels] */
    int32_t in_height;
    int32_t in_width;
    int32_t in_channels;
    int32_t out_height;
    int32_t out_width;
    int32_t kernel_height;
    int32_t kernel_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t pad_top;
    int32_t pad_left;
    int32_t in_zero_point;
};

/* Which input position a position of the kernel takes to an output position; -1 when it is none. */
static int32_t origin(int32_t reached, int32_t stride, int32_t size)
{
    int32_t found = -1;
    if ((reached >= 0) && ((reached % stride) == 0) && ((reached / stride) < size)) {
        found = reached / stride;
    }
    return found;
}

static void transposed(const struct transposed *p, const int8_t *in, int8_t *out, int8_t *scratch)
{
    for (int32_t out_y = 0; out_y < p->out_height; out_y++) {
        for (int32_t out_x = 0; out_x < p->out_width; out_x++) {
            int8_t *column = scratch;
            for (int32_t ky = 0; ky < p->kernel_height; ky++) {
                const int32_t y = origin(out_y + p->pad_top - ky, p->stride_height, p->in_height);
                for (int32_t kx = 0; kx < p->kernel_width; kx++) {
                    const int32_t x = origin(out_x + p->pad_left - kx, p->stride_width, p->in_width);
                    if ((y < 0) || (x < 0)) {
                        memset(column, (int)p->in_zero_point, (size_t)p->in_channels);
                    } else {
                        memcpy(column, &in[((y * p->in_width) + x) * p->in_channels], (size_t)p->in_channels);
                    }
                    column = &column[p->in_channels];
                }
            }
            rows_one(&p->rows, scratch, out);
            out = &out[p->rows.channels];
        }
    }
}
