/* A small frame in each format, and what it becomes: the checksum of the input, then the best class and its score. */
@FRAME_CONSTANTS@

/* CRC-32 as in zip files. */
static uint32_t checksum(const int8_t *data, size_t count)
{
    uint32_t crc = 0xFFFFFFFFU;
    for (size_t i = 0U; i < count; i++) {
        crc ^= (uint8_t)data[i];
        for (uint32_t bit = 0U; bit < 8U; bit++) {
            crc = (crc >> 1U) ^ (((crc & 1U) != 0U) ? 0xEDB88320U : 0U);
        }
    }
    return ~crc;
}

static int frames_that_differ(const @name@_context *context)
{
    int failures = 0;
    for (size_t i = 0U; i < FRAMES; i++) {
        @name@_class best = {-1, 0};
        int same = (@name@_preprocess(context, &frames[i]) == @NAME@_OK) ? 1 : 0;
        if (checksum(@name@_input(context, 0U), @NAME@_INPUT_0_SIZE) != frame_inputs[i]) {
            same = 0;
        }
        if ((@name@_run(context) != @NAME@_OK) || (@name@_classify(context, &best, 1U) != @NAME@_OK)) {
            same = 0;
        }
        if ((best.index != frame_classes[i]) || (best.score != frame_scores[i])) {
            same = 0;
        }
        failures += (same == 0) ? 1 : 0;
    }
    return failures;
}
