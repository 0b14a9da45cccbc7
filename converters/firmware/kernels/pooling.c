/* Average and maximum of the values under a window; those outside of the input do not count. */
struct pooling {
    struct window window;
    int32_t low;
    int32_t high;
    int32_t average;
};

static int32_t at_least(int32_t value, int32_t limit)
{
    return value < limit ? limit : value;
}

static int32_t at_most(int32_t value, int32_t limit)
{
    return value > limit ? limit : value;
}

static int32_t rounded_quotient(int32_t sum, int32_t count)
{
    return (sum > 0 ? sum + (count / 2) : sum - (count / 2)) / count;
}

static void pooling(const struct pooling *p, const int8_t *in, int8_t *out)
{
    const struct window *w = &p->window;
    for (int32_t y = 0; y < w->out_height; y++) {
        const int32_t top = (y * w->stride_height) - w->pad_top;
        const int32_t first_y = at_least(top, 0);
        const int32_t end_y = at_most(top + w->kernel_height, w->in_height);
        for (int32_t x = 0; x < w->out_width; x++) {
            const int32_t left = (x * w->stride_width) - w->pad_left;
            const int32_t first_x = at_least(left, 0);
            const int32_t end_x = at_most(left + w->kernel_width, w->in_width);
            const int32_t count = (end_y - first_y) * (end_x - first_x);
            for (int32_t channel = 0; channel < w->in_channels; channel++) {
                int32_t result = p->average != 0 ? 0 : -128;
                for (int32_t in_y = first_y; in_y < end_y; in_y++) {
                    int32_t at = (((in_y * w->in_width) + first_x) * w->in_channels) + channel;
                    for (int32_t in_x = first_x; in_x < end_x; in_x++) {
                        result = p->average != 0 ? result + in[at] : at_least(in[at], result);
                        at += w->in_channels;
                    }
                }
                *out = clamped(p->average != 0 ? rounded_quotient(result, count) : result, p->low, p->high);
                out++;
            }
        }
    }
}
