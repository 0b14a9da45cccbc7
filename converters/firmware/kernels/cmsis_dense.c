/* A fully connected layer with one scale. Where the library wants sums of the weights, it is a convolution of pixels. */
static int32_t cmsis_dense(const struct cmsis_convolution *p, const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct cmsis_rows *rows = &p->rows;
    const cmsis_nn_context context = {NULL, 0};
    const cmsis_nn_per_tensor_quant_params quantization = {rows->multipliers[0], rows->shifts[0]};
    const cmsis_nn_dims input = cmsis_dims(p->window.in_width, 1, 1, p->window.in_channels);
    const cmsis_nn_dims filter = cmsis_dims(p->window.in_channels, 1, 1, rows->channels);
    const cmsis_nn_dims bias = cmsis_dims(1, 1, 1, rows->channels);
    const cmsis_nn_dims output = cmsis_dims(p->window.in_width, 1, 1, rows->channels);
    cmsis_nn_fc_params params;
    params.input_offset = -p->window.in_zero_point;
    params.filter_offset = 0;
    params.output_offset = rows->zero_point;
    params.activation = cmsis_activation(rows->low, rows->high);
    if (arm_fully_connected_s8_get_buffer_size(&filter) > 0) {
        return cmsis_convolution(p, in, out, scratch);
    }
    return cmsis_failed(arm_fully_connected_s8(&context, &params, &quantization, &input, in, &filter, rows->weights,
                                               &bias, rows->bias, &output, out));
}
