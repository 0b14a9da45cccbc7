static void store(int8_t *at, struct rgb seen)
{
    at[0] = stored_values[FIRST_TABLE][seen.red_blue >> 16U];
    at[CHANNEL_STEP] = stored_values[SECOND_TABLE][seen.green];
    at[2 * CHANNEL_STEP] = stored_values[THIRD_TABLE][seen.red_blue & 0xFFFFU];
}
