/* Convolution; also what is one of a single pixel. */
struct cmsis_convolution {
    struct cmsis_rows rows;
    struct window window;
};

static int32_t cmsis_convolution(const struct cmsis_convolution *p, const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct window *w = &p->window;
    const struct cmsis_rows *rows = &p->rows;
    const cmsis_nn_context context = {scratch, rows->scratch_bytes};
    const cmsis_nn_per_channel_quant_params quantization = cmsis_quantization(rows);
    const cmsis_nn_dims input = cmsis_dims(1, w->in_height, w->in_width, w->in_channels);
    const cmsis_nn_dims filter = cmsis_dims(rows->channels, w->kernel_height, w->kernel_width, w->in_channels);
    const cmsis_nn_dims bias = cmsis_dims(1, 1, 1, rows->channels);
    const cmsis_nn_dims output = cmsis_dims(1, w->out_height, w->out_width, rows->channels);
    cmsis_nn_conv_params params;
    params.input_offset = -w->in_zero_point;
    params.output_offset = rows->zero_point;
    params.stride = cmsis_tile(w->stride_width, w->stride_height);
    params.padding = cmsis_tile(w->pad_left, w->pad_top);
    params.dilation = cmsis_tile(w->dilation_width, w->dilation_height);
    params.activation = cmsis_activation(rows->low, rows->high);
    if (arm_convolve_wrapper_s8_get_buffer_size(&params, &input, &filter, &output) > rows->scratch_bytes) {
        return 1;
    }
    return cmsis_failed(arm_convolve_wrapper_s8(&context, &params, &quantization, &input, in, &filter, rows->weights,
                                                &bias, rows->bias, &output, out));
}
