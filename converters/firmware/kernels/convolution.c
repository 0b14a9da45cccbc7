/* Convolution: the values under the kernel are gathered into columns, two at a time. */
struct convolution {
    struct rows rows;
    struct window window;
};

/* `value`, but neither under 0 nor over `limit`. */
static int32_t between(int32_t value, int32_t limit)
{
    const int32_t above = value < 0 ? 0 : value;
    return above > limit ? limit : above;
}

static void gather(const struct window *w, const int8_t *in, int32_t top, int32_t left, int8_t *column)
{
    const int32_t row_bytes = w->kernel_width * w->in_channels;
    const int32_t before = between(-left, w->kernel_width);
    const int32_t after = between(left + w->kernel_width - w->in_width, w->kernel_width);
    const size_t inside_bytes = (size_t)(between(w->kernel_width - before - after, w->kernel_width) * w->in_channels);
    for (int32_t ky = 0; ky < w->kernel_height; ky++) {
        const int32_t y = top + (ky * w->dilation_height);
        if ((y < 0) || (y >= w->in_height)) {
            memset(column, (int)w->in_zero_point, (size_t)row_bytes);
        } else if (w->dilation_width == 1) {
            const int32_t first = before * w->in_channels;
            if (before > 0) {
                memset(column, (int)w->in_zero_point, (size_t)first);
            }
            if (inside_bytes > 0U) {
                memcpy(&column[first], &in[((y * w->in_width) + left + before) * w->in_channels], inside_bytes);
            }
            if (after > 0) {
                memset(&column[row_bytes - (after * w->in_channels)], (int)w->in_zero_point,
                       (size_t)(after * w->in_channels));
            }
        } else {
            for (int32_t kx = 0; kx < w->kernel_width; kx++) {
                const int32_t x = left + (kx * w->dilation_width);
                int8_t *to = &column[kx * w->in_channels];
                if ((x < 0) || (x >= w->in_width)) {
                    memset(to, (int)w->in_zero_point, (size_t)w->in_channels);
                } else {
                    memcpy(to, &in[((y * w->in_width) + x) * w->in_channels], (size_t)w->in_channels);
                }
            }
        }
        column = &column[row_bytes];
    }
}

static void convolution(const struct convolution *p, const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct window *w = &p->window;
    const int32_t channels = p->rows.channels;
    int8_t *second = &scratch[p->rows.depth];
    int32_t gathered = 0;
    for (int32_t y = 0; y < w->out_height; y++) {
        const int32_t top = (y * w->stride_height) - w->pad_top;
        for (int32_t x = 0; x < w->out_width; x++) {
            gather(w, in, top, (x * w->stride_width) - w->pad_left, gathered == 0 ? scratch : second);
            gathered++;
            if (gathered == 2) {
                rows_two(&p->rows, scratch, second, out, &out[channels]);
                out = &out[2 * channels];
                gathered = 0;
            }
        }
    }
    if (gathered != 0) {
        rows_one(&p->rows, scratch, out);
    }
}
