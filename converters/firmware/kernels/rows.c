#define WIDE 128

/* Rows of weights against columns of values. */
struct rows {
    const int8_t *weights;  /* [channels][depth] */
    const int32_t *scaling; /* [channels][3]: bias with the input's zero point folded in, multiplier, shift;
                               * 128 is added to a shift to the right where sums reach 2^30, 512 to any where the
                               * result is rounded once */
    int32_t depth;
    int32_t channels;
    int32_t zero_point;
    int32_t low;
    int32_t high;
};

#if defined(__ARM_FEATURE_DSP)
/* a * b * 2^-32, rounded: one instruction. */
static int32_t high_product(int32_t a, int32_t b)
{
#if defined(__GNUC__)
    int32_t result;
    __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
#else
    return (int32_t)((((int64_t)a * b) + 0x80000000LL) >> 32);
#endif
}
#endif

/* What a sum is stored as; `scaling` is the channel's. */
static inline int8_t row_result(const struct rows *p, const int32_t *scaling, int32_t sum)
{
    const int32_t shift = scaling[2];
    int32_t result;
#if defined(ROUNDS_ONCE)
    if (shift >= ONCE / 2) {
        result = scaled_once(sum, scaling[1], shift - ONCE);
    } else
#endif
#if defined(__ARM_FEATURE_DSP)
    if (shift < 0) {
        const int32_t high = high_product(2 * sum, scaling[1]);
        const int32_t half = 1 << (-shift - 1);
        result = (high + half + (high >> 31)) >> -shift;
    } else
#endif
    {
        result = scaled(sum, scaling[1], shift >= WIDE / 2 ? shift - WIDE : shift);
    }
    return clamped(result + p->zero_point, p->low, p->high);
}

#if defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)
static int32_t word(const int8_t *from)
{
    int32_t four;
    memcpy(&four, from, sizeof four);
    return four;
}

static int32_t even(int32_t four)
{
    return __sxtb16(four);
}

static int32_t odd(int32_t four)
{
#if defined(__GNUC__)
    int32_t two;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(two) : "r"(four));
    return two;
#else
    return __sxtb16((int32_t)(((uint32_t)four >> 8) | ((uint32_t)four << 24)));
#endif
}
#endif

#if defined(__ARM_FEATURE_MVE)
/* row_result of up to four channels at once. */
static void four_results(const struct rows *p, const int32_t *scaling, int32x4_t sums, mve_pred16_t some, int8_t *out)
{
#if defined(ROUNDS_ONCE)
    if (scaling[2] >= ONCE / 2) {
        int32_t four[4];
        vstrwq_s32(four, sums);
        for (int32_t i = 0; i < 4; i++) {
            if (((uint32_t)some >> (4 * i)) % 2U != 0U) {
                out[i] = row_result(p, &scaling[3 * i], four[i]);
            }
        }
        return;
    }
#endif
    const uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0U, 1), 3U);
    const int32x4_t multipliers = vldrwq_gather_shifted_offset_z_s32(&scaling[1], places, some);
    int32x4_t shifts = vldrwq_gather_shifted_offset_z_s32(&scaling[2], places, some);
    shifts = vsubq_m_n_s32(shifts, shifts, WIDE, vcmpgeq_n_s32(shifts, WIDE / 2));
    const int32x4_t right = vminq_s32(shifts, vdupq_n_s32(0));
    const int32x4_t high = vqrdmulhq_s32(vshlq_s32(sums, vmaxq_s32(shifts, vdupq_n_s32(0))), multipliers);
    const int32x4_t signs = vshrq_n_s32(vandq_s32(high, right), 31);
    int32x4_t results = vaddq_n_s32(vrshlq_s32(vqaddq_s32(high, signs), right), p->zero_point);
    results = vminq_s32(vmaxq_s32(results, vdupq_n_s32(p->low)), vdupq_n_s32(p->high));
    vstrbq_p_s32(out, results, some);
}
#endif
