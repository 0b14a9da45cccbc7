/* The functions of arm_nnfunctions.h, straight from what they are documented to compute; slow, and for tests alone.
 * Each fills the scratch memory that it asked for, so that what overlaps it is seen. SCRATCH_MORE asks for more;
 * DENSE_SUMS acts as the library does for vector instructions, where fully connected layers want sums. */
#include "arm_nnfunctions.h"

#include <stddef.h>
#include <string.h>

#ifndef SCRATCH_MORE
#define SCRATCH_MORE 0
#endif

static int64_t ref_nearest(int64_t value, int power)
{
    /* value / 2^power; ties go away from zero. */
    const int64_t size = (int64_t)1 << power;
    const int64_t rest = ((value % size) + size) % size;
    const int64_t below = (value - rest) / size;
    const int up = value < 0 ? 2 * rest > size : 2 * rest >= size;
    return below + (power > 0 && up ? 1 : 0);
}

static int32_t ref_requantized(int32_t value, int32_t multiplier, int32_t shift)
{
    const int64_t left = (int64_t)value * ((int64_t)1 << (shift > 0 ? shift : 0));
    const int64_t product = left * multiplier + ((int64_t)1 << 30);
    const int64_t high = product >= 0 ? product >> 31 : -((-product + ((int64_t)1 << 31) - 1) >> 31);
    return (int32_t)ref_nearest(high, shift > 0 ? 0 : -shift);
}

static int8_t ref_within(int32_t value, int32_t low, int32_t high)
{
    return (int8_t)(value < low ? low : value > high ? high : value);
}

static void ref_spoil(const cmsis_nn_context *ctx, int32_t bytes)
{
    if (bytes > 0 && ctx->buf != NULL) {
        memset(ctx->buf, 0x5a, (size_t)bytes);
    }
}

static const int8_t *ref_pixel(const cmsis_nn_dims *dims, const int8_t *data, int32_t y, int32_t x)
{
    return y < 0 || x < 0 || y >= dims->h || x >= dims->w ? NULL : &data[(y * dims->w + x) * dims->c];
}

int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params *params, const cmsis_nn_dims *input,
                                                const cmsis_nn_dims *filter, const cmsis_nn_dims *output)
{
    (void)output;
    const int one = filter->w == 1 && filter->h == 1 && params->padding.w == 0 && params->padding.h == 0;
    return (one ? 0 : 4 * ((filter->w * filter->h * input->c + 3) / 4 * 4)) + SCRATCH_MORE;
}

arm_cmsis_nn_status arm_convolve_wrapper_s8(const cmsis_nn_context *ctx, const cmsis_nn_conv_params *params,
                                            const cmsis_nn_per_channel_quant_params *quant,
                                            const cmsis_nn_dims *input_dims, const int8_t *input,
                                            const cmsis_nn_dims *filter_dims, const int8_t *filter,
                                            const cmsis_nn_dims *bias_dims, const int32_t *bias,
                                            const cmsis_nn_dims *output_dims, int8_t *output)
{
    if (input_dims->n != 1 || filter_dims->c != input_dims->c || bias_dims->c != output_dims->c ||
        filter_dims->n != output_dims->c) {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
    ref_spoil(ctx, arm_convolve_wrapper_s8_get_buffer_size(params, input_dims, filter_dims, output_dims));
    for (int32_t y = 0; y < output_dims->h; y++) {
        for (int32_t x = 0; x < output_dims->w; x++) {
            for (int32_t out = 0; out < output_dims->c; out++) {
                int32_t sum = bias[out];
                for (int32_t ky = 0; ky < filter_dims->h; ky++) {
                    for (int32_t kx = 0; kx < filter_dims->w; kx++) {
                        const int8_t *from =
                            ref_pixel(input_dims, input, y * params->stride.h - params->padding.h + ky * params->dilation.h,
                                  x * params->stride.w - params->padding.w + kx * params->dilation.w);
                        const int8_t *weights =
                            &filter[((out * filter_dims->h + ky) * filter_dims->w + kx) * filter_dims->c];
                        for (int32_t c = 0; from != NULL && c < filter_dims->c; c++) {
                            sum += weights[c] * (from[c] + params->input_offset);
                        }
                    }
                }
                *output++ = ref_within(ref_requantized(sum, quant->multiplier[out], quant->shift[out]) + params->output_offset,
                                   params->activation.min, params->activation.max);
            }
        }
    }
    return ARM_CMSIS_NN_SUCCESS;
}

int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(const cmsis_nn_dw_conv_params *params,
                                                      const cmsis_nn_dims *input, const cmsis_nn_dims *filter,
                                                      const cmsis_nn_dims *output)
{
    const int fast = input->c == output->c && params->dilation.w == 1 && params->dilation.h == 1;
    return (fast ? 2 * input->c * filter->w * filter->h : 0) + SCRATCH_MORE;
}

arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(const cmsis_nn_context *ctx, const cmsis_nn_dw_conv_params *params,
                                                  const cmsis_nn_per_channel_quant_params *quant,
                                                  const cmsis_nn_dims *input_dims, const int8_t *input,
                                                  const cmsis_nn_dims *filter_dims, const int8_t *filter,
                                                  const cmsis_nn_dims *bias_dims, const int32_t *bias,
                                                  const cmsis_nn_dims *output_dims, int8_t *output)
{
    if (filter_dims->n != 1 || filter_dims->c != output_dims->c || bias_dims->c != output_dims->c ||
        output_dims->c != input_dims->c * params->ch_mult) {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
    ref_spoil(ctx, arm_depthwise_conv_wrapper_s8_get_buffer_size(params, input_dims, filter_dims, output_dims));
    for (int32_t y = 0; y < output_dims->h; y++) {
        for (int32_t x = 0; x < output_dims->w; x++) {
            for (int32_t out = 0; out < output_dims->c; out++) {
                int32_t sum = bias[out];
                for (int32_t ky = 0; ky < filter_dims->h; ky++) {
                    for (int32_t kx = 0; kx < filter_dims->w; kx++) {
                        const int8_t *from =
                            ref_pixel(input_dims, input, y * params->stride.h - params->padding.h + ky * params->dilation.h,
                                  x * params->stride.w - params->padding.w + kx * params->dilation.w);
                        if (from != NULL) {
                            sum += filter[(ky * filter_dims->w + kx) * filter_dims->c + out] *
                                   (from[out / params->ch_mult] + params->input_offset);
                        }
                    }
                }
                *output++ = ref_within(ref_requantized(sum, quant->multiplier[out], quant->shift[out]) + params->output_offset,
                                   params->activation.min, params->activation.max);
            }
        }
    }
    return ARM_CMSIS_NN_SUCCESS;
}

int32_t arm_fully_connected_s8_get_buffer_size(const cmsis_nn_dims *filter_dims)
{
#if defined(DENSE_SUMS)
    return 4 * filter_dims->c;
#else
    (void)filter_dims;
    return 0;
#endif
}

arm_cmsis_nn_status arm_fully_connected_s8(const cmsis_nn_context *ctx, const cmsis_nn_fc_params *params,
                                           const cmsis_nn_per_tensor_quant_params *quant,
                                           const cmsis_nn_dims *input_dims, const int8_t *input,
                                           const cmsis_nn_dims *filter_dims, const int8_t *filter,
                                           const cmsis_nn_dims *bias_dims, const int32_t *bias,
                                           const cmsis_nn_dims *output_dims, int8_t *output)
{
    if (params->filter_offset != 0 || bias_dims->c != output_dims->c || filter_dims->c != output_dims->c ||
        arm_fully_connected_s8_get_buffer_size(filter_dims) > ctx->size) {
        return ARM_CMSIS_NN_ARG_ERROR;
    }
    for (int32_t row = 0; row < input_dims->n; row++) {
        for (int32_t out = 0; out < filter_dims->c; out++) {
            int32_t sum = bias[out];
            for (int32_t i = 0; i < filter_dims->n; i++) {
                sum += filter[out * filter_dims->n + i] * (input[row * filter_dims->n + i] + params->input_offset);
            }
            *output++ = ref_within(ref_requantized(sum, quant->multiplier, quant->shift) + params->output_offset,
                               params->activation.min, params->activation.max);
        }
    }
    return ARM_CMSIS_NN_SUCCESS;
}

int32_t arm_avgpool_s8_get_buffer_size(const int output_width, const int channels)
{
    (void)output_width;
    return 4 * channels + SCRATCH_MORE;
}

static void ref_pooled(const cmsis_nn_pool_params *params, const cmsis_nn_dims *input_dims, const int8_t *input,
                   const cmsis_nn_dims *filter_dims, const cmsis_nn_dims *output_dims, int8_t *output, int average)
{
    for (int32_t y = 0; y < output_dims->h; y++) {
        for (int32_t x = 0; x < output_dims->w; x++) {
            for (int32_t c = 0; c < input_dims->c; c++) {
                int32_t sum = 0, count = 0, most = -128;
                for (int32_t ky = 0; ky < filter_dims->h; ky++) {
                    for (int32_t kx = 0; kx < filter_dims->w; kx++) {
                        const int8_t *from = ref_pixel(input_dims, input, y * params->stride.h - params->padding.h + ky,
                                                   x * params->stride.w - params->padding.w + kx);
                        if (from != NULL) {
                            sum += from[c];
                            count++;
                            most = from[c] > most ? from[c] : most;
                        }
                    }
                }
                const int32_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
                *output++ = ref_within(average ? mean : most, params->activation.min, params->activation.max);
            }
        }
    }
}

arm_cmsis_nn_status arm_avgpool_s8(const cmsis_nn_context *ctx, const cmsis_nn_pool_params *params,
                                   const cmsis_nn_dims *input_dims, const int8_t *input,
                                   const cmsis_nn_dims *filter_dims, const cmsis_nn_dims *output_dims, int8_t *output)
{
    ref_spoil(ctx, arm_avgpool_s8_get_buffer_size(output_dims->w, input_dims->c));
    ref_pooled(params, input_dims, input, filter_dims, output_dims, output, 1);
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_max_pool_s8(const cmsis_nn_context *ctx, const cmsis_nn_pool_params *params,
                                    const cmsis_nn_dims *input_dims, const int8_t *input,
                                    const cmsis_nn_dims *filter_dims, const cmsis_nn_dims *output_dims, int8_t *output)
{
    (void)ctx;
    ref_pooled(params, input_dims, input, filter_dims, output_dims, output, 0);
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_elementwise_add_s8(const int8_t *a, const int8_t *b, const int32_t a_offset,
                                           const int32_t a_mult, const int32_t a_shift, const int32_t b_offset,
                                           const int32_t b_mult, const int32_t b_shift, const int32_t left_shift,
                                           int8_t *output, const int32_t out_offset, const int32_t out_mult,
                                           const int32_t out_shift, const int32_t low, const int32_t high,
                                           const int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const int32_t left = ref_requantized((a[i] + a_offset) * (1 << left_shift), a_mult, a_shift);
        const int32_t right = ref_requantized((b[i] + b_offset) * (1 << left_shift), b_mult, b_shift);
        output[i] = ref_within(ref_requantized(left + right, out_mult, out_shift) + out_offset, low, high);
    }
    return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_elementwise_mul_s8(const int8_t *a, const int8_t *b, const int32_t a_offset,
                                           const int32_t b_offset, int8_t *output, const int32_t out_offset,
                                           const int32_t out_mult, const int32_t out_shift, const int32_t low,
                                           const int32_t high, const int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const int32_t product = (a[i] + a_offset) * (b[i] + b_offset);
        output[i] = ref_within(ref_requantized(product, out_mult, out_shift) + out_offset, low, high);
    }
    return ARM_CMSIS_NN_SUCCESS;
}

/* a * b / 2^31, rounded. */
static int32_t ref_product(int64_t a, int64_t b)
{
    return (int32_t)((a * b + ((int64_t)1 << 30)) >> 31);
}

/* exp of a number from -32 to 0 with 26 fractional bits, in 31 fractional bits: exp(-1/8) times a polynomial for the
 * rest modulo 1/4, then a factor for each bit of the quarters. */
static int32_t ref_exponential(int32_t value)
{
    static const int32_t factors[7] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
    const int32_t quarter = 1 << 24;
    const int32_t rest = (value & (quarter - 1)) - quarter;
    const int32_t x = rest * 32 + (1 << 28);
    const int32_t square = ref_product(x, x);
    const int32_t sum = (int32_t)ref_nearest(ref_product(square, square), 2) + ref_product(square, x);
    const int32_t tail = (int32_t)ref_nearest(ref_product(sum, 715827883) + square, 1);
    int32_t result = 1895147668 + ref_product(1895147668, x + tail);
    for (int bit = 0; bit < 7; bit++) {
        if (((rest - value) >> (24 + bit)) & 1) {
            result = ref_product(result, factors[bit]);
        }
    }
    return value == 0 ? INT32_MAX : result;
}

/* 2^31 / (1 + value * 2^-31) by three steps of Newton's method. */
static int32_t ref_one_over_one_plus(int32_t value)
{
    const int32_t half = (int32_t)(((int64_t)value + INT32_MAX + 1) / 2);
    int32_t guess = 1515870810 + ref_product(half, -1010580540);
    for (int i = 0; i < 3; i++) {
        guess += 4 * ref_product(guess, (1 << 29) - ref_product(half, guess));
    }
    return guess >= 1 << 30 ? INT32_MAX : 2 * guess;
}

void arm_softmax_s8(const int8_t *input, const int32_t rows, const int32_t length, const int32_t mult,
                    const int32_t shift, const int32_t diff_min, int8_t *output)
{
    for (int32_t row = 0; row < rows; row++) {
        int32_t most = -128, sum = 0, headroom = 0;
        for (int32_t i = 0; i < length; i++) {
            most = input[i] > most ? input[i] : most;
        }
        for (int32_t i = 0; i < length; i++) {
            const int32_t below = input[i] - most;
            sum += below >= diff_min ? (int32_t)ref_nearest(ref_exponential(ref_product(below * (1 << shift), mult)), 12) : 0;
        }
        while (((uint32_t)sum << headroom) < 0x80000000U) {
            headroom++;
        }
        const int32_t scale = ref_one_over_one_plus((int32_t)(((uint32_t)sum << headroom) - 0x80000000U));
        for (int32_t i = 0; i < length; i++) {
            const int32_t below = input[i] - most;
            const int32_t share = below >= diff_min ? ref_exponential(ref_product(below * (1 << shift), mult)) : 0;
            output[i] = ref_within((int32_t)ref_nearest(ref_product(scale, share), 35 - headroom) - 128, -128, 127);
        }
        input += length;
        output += length;
    }
}
