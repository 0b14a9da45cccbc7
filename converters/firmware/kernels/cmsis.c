#include <arm_nnfunctions.h>

/* One layer for CMSIS-NN. Its structs take pointers to variables, which it only reads. */
struct cmsis_rows {
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multipliers; /* [channels] */
    const int32_t *shifts;      /* [channels] */
    int32_t channels;
    int32_t zero_point;
    int32_t low;
    int32_t high;
    int32_t scratch_bytes;
};

static cmsis_nn_per_channel_quant_params cmsis_quantization(const struct cmsis_rows *p)
{
    const cmsis_nn_per_channel_quant_params found = {(int32_t *)(uintptr_t)p->multipliers,
                                                     (int32_t *)(uintptr_t)p->shifts};
    return found;
}

static cmsis_nn_tile cmsis_tile(int32_t width, int32_t height)
{
    const cmsis_nn_tile found = {width, height};
    return found;
}

static cmsis_nn_dims cmsis_dims(int32_t n, int32_t height, int32_t width, int32_t channels)
{
    const cmsis_nn_dims found = {n, height, width, channels};
    return found;
}

static cmsis_nn_activation cmsis_activation(int32_t low, int32_t high)
{
    const cmsis_nn_activation found = {low, high};
    return found;
}

static int32_t cmsis_failed(arm_cmsis_nn_status status)
{
    return status == ARM_CMSIS_NN_SUCCESS ? 0 : 1;
}
