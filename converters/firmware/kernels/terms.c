/* Two values that become one: what is added to them, and what scales them and their sum or product. */
struct terms {
    int32_t a_offset;
    int32_t b_offset;
    int32_t a_multiplier;
    int32_t a_shift;
    int32_t b_multiplier;
    int32_t b_shift;
    int32_t out_multiplier;
    int32_t out_shift;
    int32_t zero_point;
    int32_t low;
    int32_t high;
    int32_t sign; /* 1 to add, -1 to subtract, 0 to multiply */
};
