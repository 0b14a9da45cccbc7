/* Average and maximum under a window. */
struct cmsis_pooling {
    struct window window;
    int32_t low;
    int32_t high;
    int32_t average;
    int32_t scratch_bytes;
};

static int32_t cmsis_pooling(const struct cmsis_pooling *p, const int8_t *in, int8_t *out, int8_t *scratch)
{
    const struct window *w = &p->window;
    const cmsis_nn_context context = {scratch, p->scratch_bytes};
    const cmsis_nn_dims input = cmsis_dims(1, w->in_height, w->in_width, w->in_channels);
    const cmsis_nn_dims filter = cmsis_dims(1, w->kernel_height, w->kernel_width, 1);
    const cmsis_nn_dims output = cmsis_dims(1, w->out_height, w->out_width, w->in_channels);
    cmsis_nn_pool_params params;
    params.stride = cmsis_tile(w->stride_width, w->stride_height);
    params.padding = cmsis_tile(w->pad_left, w->pad_top);
    params.activation = cmsis_activation(p->low, p->high);
    if (p->average == 0) {
        return cmsis_failed(arm_max_pool_s8(&context, &params, &input, in, &filter, &output, out));
    }
    if (arm_avgpool_s8_get_buffer_size(w->out_width, w->in_channels) > p->scratch_bytes) {
        return 1;
    }
    return cmsis_failed(arm_avgpool_s8(&context, &params, &input, in, &filter, &output, out));
}
