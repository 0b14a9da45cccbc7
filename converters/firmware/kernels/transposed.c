/* Transposed convolution: each output pixel gathers the input pixels that reach it; the others are zero point. */
struct transposed {
    struct rows rows; /* weights [channels][kernel_height][kernel_width][in_channels] */
    struct window window;
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
    const struct window *w = &p->window;
    for (int32_t out_y = 0; out_y < w->out_height; out_y++) {
        for (int32_t out_x = 0; out_x < w->out_width; out_x++) {
            int8_t *column = scratch;
            for (int32_t ky = 0; ky < w->kernel_height; ky++) {
                const int32_t y = origin(out_y + w->pad_top - ky, w->stride_height, w->in_height);
                for (int32_t kx = 0; kx < w->kernel_width; kx++) {
                    const int32_t x = origin(out_x + w->pad_left - kx, w->stride_width, w->in_width);
                    if ((y < 0) || (x < 0)) {
                        memset(column, (int)w->in_zero_point, (size_t)w->in_channels);
                    } else {
                        memcpy(column, &in[((y * w->in_width) + x) * w->in_channels], (size_t)w->in_channels);
                    }
                    column = &column[w->in_channels];
                }
            }
            rows_one(&p->rows, scratch, out);
            out = &out[p->rows.channels];
        }
    }
}
