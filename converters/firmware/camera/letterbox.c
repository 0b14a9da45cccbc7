/* The whole frame, its proportions kept, @CORNER@ of the input. */
static struct placement place(uint32_t width, uint32_t height)
{
    struct placement found = {0, 0, (int32_t)width, (int32_t)height, 0, 0, OUT_WIDTH, OUT_HEIGHT};
    if (((uint32_t)OUT_HEIGHT * width) <= ((uint32_t)OUT_WIDTH * height)) {
        found.out_width = scaled(width, (uint32_t)OUT_HEIGHT, height);
    } else {
        found.out_height = scaled(height, (uint32_t)OUT_WIDTH, width);
    }
@PLACE@    return found;
}
