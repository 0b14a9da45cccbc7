/* Depthwise convolution; what lies outside of the input points to a pixel that is all zero point. */
struct depthwise {
    struct rows rows; /* weights [taps][channels]; depth: taps */
    struct window window;
    int32_t multiplier; /* output channels of each input channel */
    int32_t padded;     /* whether the kernel leaves the input anywhere */
};

static void depthwise_pixel(const struct depthwise *p, const int8_t *const *taps, int8_t *out)
{
    const struct rows *rows = &p->rows;
    const int32_t channels = rows->channels;
    int32_t channel = 0;
#if defined(__ARM_FEATURE_MVE)
    if (p->multiplier == 1) {
        const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0U, 1), 3U);
        for (; channel < channels; channel += 4) {
            const mve_pred16_t some = vctp32q((uint32_t)(channels - channel));
            int32x4_t sums = vldrwq_gather_shifted_offset_z_s32(&rows->scaling[3 * channel], places, some);
            int32_t at = channel;
            for (int32_t tap = 0; tap < rows->depth; tap++) {
                sums = vaddq_s32(sums, vmulq_s32(vldrbq_z_s32(&rows->weights[at], some), vldrbq_z_s32(&taps[tap][channel], some)));
                at += channels;
            }
            four_results(rows, &rows->scaling[3 * channel], sums, some, &out[channel]);
        }
        return;
    }
#elif defined(__ARM_FEATURE_DSP)
    if (p->multiplier == 1) {
        for (; channel + 4 <= channels; channel += 4) {
            int32_t at = channel;
            const int32_t *scaling = &rows->scaling[3 * channel];
            int32_t s0 = scaling[0];
            int32_t s1 = scaling[3];
            int32_t s2 = scaling[6];
            int32_t s3 = scaling[9];
            for (int32_t tap = 0; tap < rows->depth; tap++) {
                const int32_t a = word(&rows->weights[at]);
                const int32_t b = word(&taps[tap][channel]);
                const int32_t a_even = even(a);
                const int32_t b_even = even(b);
                const int32_t a_odd = odd(a);
                const int32_t b_odd = odd(b);
                s0 = __smlabb(a_even, b_even, s0);
                s1 = __smlabb(a_odd, b_odd, s1);
                s2 = __smlatt(a_even, b_even, s2);
                s3 = __smlatt(a_odd, b_odd, s3);
                at += channels;
            }
            out[channel] = row_result(rows, scaling, s0);
            out[channel + 1] = row_result(rows, &scaling[3], s1);
            out[channel + 2] = row_result(rows, &scaling[6], s2);
            out[channel + 3] = row_result(rows, &scaling[9], s3);
        }
    }
#endif
    while (channel < channels) {
        const int32_t from = channel / p->multiplier;
        const int32_t next = (from + 1) * p->multiplier;
        for (; channel < next; channel++) {
            const int32_t *scaling = &rows->scaling[3 * channel];
            int32_t sum = scaling[0];
            for (int32_t tap = 0; tap < rows->depth; tap++) {
                sum += (int32_t)rows->weights[(tap * channels) + channel] * taps[tap][from];
            }
            out[channel] = row_result(rows, scaling, sum);
        }
    }
}

static void depthwise(const struct depthwise *p, const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct window *w = &p->window;
    const int8_t *taps[DEPTHWISE_TAPS];
    if (p->padded != 0) {
        memset(scratch, (int)w->in_zero_point, (size_t)w->in_channels);
    }
    for (int32_t y = 0; y < w->out_height; y++) {
        const int32_t top = (y * w->stride_height) - w->pad_top;
        for (int32_t x = 0; x < w->out_width; x++) {
            const int32_t left = (x * w->stride_width) - w->pad_left;
            int32_t tap = 0;
            for (int32_t ky = 0; ky < w->kernel_height; ky++) {
                const int32_t in_y = top + (ky * w->dilation_height);
                const uint32_t width = (uint32_t)in_y < (uint32_t)w->in_height ? (uint32_t)w->in_width : 0U;
                int32_t in_x = left;
                for (int32_t kx = 0; kx < w->kernel_width; kx++) {
                    const int32_t place = ((in_y * w->in_width) + in_x) * w->in_channels;
                    taps[tap] = (uint32_t)in_x < width ? &in[place] : scratch;
                    in_x += w->dilation_width;
                    tap++;
                }
            }
            depthwise_pixel(p, taps, out);
            out = &out[p->rows.channels];
        }
    }
}
