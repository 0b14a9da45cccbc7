/* Convolution: the values under the kernel are gathered into columns, two at a time. */
struct convolution {
    struct rows rows;
    int32_t in_height;
    int32_t in_width;
    int32_t in_channels;
    int32_t out_height;
    int32_t out_width;
    int32_t kernel_height;
    int32_t kernel_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t pad_top;
    int32_t pad_left;
    int32_t in_zero_point;
};

/* `value`, but neither under 0 nor over `limit`. */
static int32_t between(int32_t value, int32_t limit)
{
    const int32_t above = value < 0 ? 0 : value;
    return above > limit ? limit : above;
}

static void gather(const struct convolution *p, const int8_t *in, int32_t top, int32_t left, int8_t *column)
{
    const int32_t row_bytes = p->kernel_width * p->in_channels;
    const int32_t before = between(-left, p->kernel_width);
    const int32_t after = between(left + p->kernel_width - p->in_width, p->kernel_width);
    const size_t inside_bytes = (size_t)(between(p->kernel_width - before - after, p->kernel_width) * p->in_channels);
    for (int32_t ky = 0; ky < p->kernel_height; ky++) {
        const int32_t y = top + (ky * p->dilation_height);
        if ((y < 0) || (y >= p->in_height)) {
            memset(column, (int)p->in_zero_point, (size_t)row_bytes);
        } else if (p->dilation_width == 1) {
            const int32_t first = before * p->in_channels;
            if (before > 0) {
                memset(column, (int)p->in_zero_point, (size_t)first);
            }
            if (inside_bytes > 0U) {
                memcpy(&column[first], &in[((y * p->in_width) + left + before) * p->in_channels], inside_bytes);
            }
            if (after > 0) {
                memset(&column[row_bytes - (after * p->in_channels)], (int)p->in_zero_point,
                       (size_t)(after * p->in_channels));
            }
        } else {
            for (int32_t kx = 0; kx < p->kernel_width; kx++) {
                const int32_t x = left + (kx * p->dilation_width);
                int8_t *to = &column[kx * p->in_channels];
                if ((x < 0) || (x >= p->in_width)) {
                    memset(to, (int)p->in_zero_point, (size_t)p->in_channels);
                } else {
                    memcpy(to, &in[((y * p->in_width) + x) * p->in_channels], (size_t)p->in_channels);
                }
            }
        }
        column = &column[row_bytes];
    }
}

static void convolution(const struct convolution *p, const int8_t *in, int8_t *out, int8_t *scratch)
{
    const int32_t channels = p->rows.channels;
    int8_t *second = &scratch[p->rows.depth];
    int32_t gathered = 0;
    for (int32_t y = 0; y < p->out_height; y++) {
        const int32_t top = (y * p->stride_height) - p->pad_top;
        for (int32_t x = 0; x < p->out_width; x++) {
            gather(p, in, top, (x * p->stride_width) - p->pad_left, gathered == 0 ? scratch : second);
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
