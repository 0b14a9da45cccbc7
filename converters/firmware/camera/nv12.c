static struct rgb nv12(const @name@_frame *frame, size_t x, size_t y)
{
    const uint8_t luma = frame->planes[0].data[(y * frame->planes[0].stride) + x];
    const uint8_t *pair = &frame->planes[1].data[((y / 2U) * frame->planes[1].stride) + (2U * (x / 2U))];
    return from_yuv(frame, luma, pair[0], pair[1]);
}
