static void fill(int8_t *input, const @name@_frame *frame, const struct placement *to)
{
    struct walk down = walk_along(to->height, to->out_height);
    for (int32_t y = to->out_top; y < (to->out_top + to->out_height); y++) {
        const struct taps row = taps_at(&down, to->top, to->height);
        struct walk across = walk_along(to->width, to->out_width);
        for (int32_t x = to->out_left; x < (to->out_left + to->out_width); x++) {
            const struct taps column = taps_at(&across, to->left, to->width);
            store(&input[(y * ROW_STEP) + (x * COLUMN_STEP)], sample(frame, &row, &column));
            walk_on(&across);
        }
        walk_on(&down);
    }
}

@name@_status @name@_preprocess(const @name@_context *context, const @name@_frame *frame)
{
    int8_t *input = @name@_input(context, 0U);
    struct placement to;
    @name@_status status;
    if ((context == NULL) || (frame == NULL)) {
        return @NAME@_ERROR_NULL;
    }
    if (input == NULL) {
        return @NAME@_ERROR_NOT_READY;
    }
    status = refusal_of_frame(frame);
    if (status != @NAME@_OK) {
        return status;
    }
    to = place(frame->width, frame->height);
@PAD@    fill(input, frame, &to);
    return @NAME@_OK;
}

@name@_status @name@_crop(@name@_frame *frame, uint32_t left, uint32_t top, uint32_t width, uint32_t height)
{
    @name@_status status;
    if (frame == NULL) {
        return @NAME@_ERROR_NULL;
    }
    status = refusal_of_frame(frame);
    if (status != @NAME@_OK) {
        return status;
    }
    if ((width < 1U) || (height < 1U) || (left >= frame->width) || (top >= frame->height)
        || (width > (frame->width - left)) || (height > (frame->height - top))) {
        return @NAME@_ERROR_ARGUMENT;
    }
    switch (frame->format) {
@CROPS@
    default:
        break; /* refusal_of_frame refused it */
    }
    frame->width = width;
    frame->height = height;
    return @NAME@_OK;
}
