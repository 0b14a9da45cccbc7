#define ROUNDS_ONCE
#define ONCE 512

/* value * multiplier * 2^(shift - 31), rounded once; ties go up. */
static int32_t scaled_once(int32_t value, int32_t multiplier, int32_t shift)
{
    const int64_t product = (int64_t)value * multiplier;
    return (int32_t)((product + ((int64_t)1 << (30 - shift))) >> (31 - shift));
}
