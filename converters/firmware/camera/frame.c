static struct rgb pixel(const @name@_frame *frame, size_t x, size_t y)
{
    struct rgb found = {0U, 0U};
    switch (frame->format) {
@READERS@
    default:
        break; /* refusal_of_frame refused it */
    }
    return found;
}

static @name@_status refusal_of_plane(const @name@_plane *plane, size_t rows, size_t row_bytes)
{
    if (plane->data == NULL) {
        return @NAME@_ERROR_NULL;
    }
    if (plane->stride < row_bytes) {
        return @NAME@_ERROR_STRIDE;
    }
    if ((plane->bytes < row_bytes) || ((rows - 1U) > ((plane->bytes - row_bytes) / plane->stride))) {
        return @NAME@_ERROR_BYTES;
    }
    return @NAME@_OK;
}

static @name@_status refusal_of_planes(const @name@_frame *frame)
{
    const size_t width = frame->width;
    const size_t height = frame->height;
    @name@_status status = @NAME@_ERROR_FORMAT;
    switch (frame->format) {
@PLANES@
    default:
        break;
    }
    return status;
}

static @name@_status refusal_of_frame(const @name@_frame *frame)
{
    if ((frame->width < 1U) || (frame->width > @NAME@_FRAME_MAX_SIDE) || (frame->height < 1U)
        || (frame->height > @NAME@_FRAME_MAX_SIDE)) {
        return @NAME@_ERROR_SIZE;
    }
    return refusal_of_planes(frame);
}
