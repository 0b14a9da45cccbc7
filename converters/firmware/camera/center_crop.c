/* The largest part in the middle of the frame that has the input's proportions. */
static struct placement place(uint32_t width, uint32_t height)
{
    struct placement found = {0, 0, (int32_t)width, (int32_t)height, 0, 0, OUT_WIDTH, OUT_HEIGHT};
    if (((uint32_t)OUT_HEIGHT * width) >= ((uint32_t)OUT_WIDTH * height)) {
        found.width = scaled((uint32_t)OUT_WIDTH, height, (uint32_t)OUT_HEIGHT);
    } else {
        found.height = scaled((uint32_t)OUT_HEIGHT, width, (uint32_t)OUT_WIDTH);
    }
    found.left = ((int32_t)width - found.width) / 2;
    found.top = ((int32_t)height - found.height) / 2;
    return found;
}
