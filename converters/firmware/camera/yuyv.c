static struct rgb yuyv(const @name@_frame *frame, size_t x, size_t y)
{
    const uint8_t *pair = &frame->planes[0].data[(y * frame->planes[0].stride) + (4U * (x / 2U))];
    return from_yuv(frame, pair[2U * (x % 2U)], pair[1], pair[3]);
}
