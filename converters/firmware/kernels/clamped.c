static inline int8_t clamped(int32_t value, int32_t low, int32_t high)
{
    const int32_t above = value < low ? low : value;
    return (int8_t)(above > high ? high : above);
}
