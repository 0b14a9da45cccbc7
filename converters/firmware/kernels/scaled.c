/* value * multiplier * 2^(shift - 31), rounded after the product and again after the shift, as TFLite Micro does. */
static int32_t scaled(int32_t value, int32_t multiplier, int32_t shift)
{
    const uint32_t left = shift > 0 ? (uint32_t)shift : 0U;
    const uint32_t right = shift > 0 ? 0U : (uint32_t)(-shift);
    const int64_t product = (int64_t)(int32_t)((uint32_t)value << left) * multiplier;
    const int32_t high = (int32_t)((product + (1 << 30)) >> 31);
    const uint32_t mask = (uint32_t)(((uint64_t)1 << right) - 1U);
    const uint32_t threshold = (mask >> 1) + (high < 0 ? 1U : 0U);
    return (high >> right) + ((((uint32_t)high & mask) > threshold) ? 1 : 0);
}
