/* Each axis by itself. */
static struct placement place(uint32_t width, uint32_t height)
{
    const struct placement found = {0, 0, (int32_t)width, (int32_t)height, 0, 0, OUT_WIDTH, OUT_HEIGHT};
    return found;
}
