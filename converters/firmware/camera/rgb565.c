static struct rgb rgb565(const @name@_frame *frame, size_t x, size_t y)
{
    const uint8_t *at = &frame->planes[0].data[(y * frame->planes[0].stride) + (2U * x)];
    const uint32_t word = (uint32_t)at[0] | ((uint32_t)at[1] << 8U);
    const uint32_t red = word >> 11U;
    const uint32_t green = (word >> 5U) & 63U;
    const uint32_t blue = word & 31U;
    return rgb_of((red << 3U) | (red >> 2U), (green << 2U) | (green >> 4U), (blue << 3U) | (blue >> 2U));
}
