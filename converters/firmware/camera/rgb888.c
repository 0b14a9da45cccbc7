static struct rgb rgb888(const @name@_frame *frame, size_t x, size_t y)
{
    const uint8_t *at = &frame->planes[0].data[(y * frame->planes[0].stride) + (3U * x)];
    return rgb_of(at[0], at[1], at[2]);
}
