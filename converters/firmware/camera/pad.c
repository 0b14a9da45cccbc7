/* The grey of the padding, all over the input. */
static void pad(int8_t *input)
{
    const struct rgb grey = rgb_of(@PAD_VALUE@U, @PAD_VALUE@U, @PAD_VALUE@U);
    for (int32_t y = 0; y < OUT_HEIGHT; y++) {
        for (int32_t x = 0; x < OUT_WIDTH; x++) {
            store(&input[(y * ROW_STEP) + (x * COLUMN_STEP)], grey);
        }
    }
}
