static struct rgb gray8(const @name@_frame *frame, size_t x, size_t y)
{
    const uint8_t value = frame->planes[0].data[(y * frame->planes[0].stride) + x];
    return rgb_of(value, value, value);
}
