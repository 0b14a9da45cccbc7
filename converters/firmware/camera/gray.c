static void store(int8_t *at, struct rgb seen)
{
    const uint32_t sum = (19595U * (seen.red_blue & 0xFFFFU)) + (38470U * seen.green) + (7471U * (seen.red_blue >> 16U));
    at[0] = stored_values[FIRST_TABLE][(sum + 32768U) >> 16U];
}
