/* Softmax of rows; exponentials of differences come from a table. */
struct softmax {
    const int32_t *exponentials; /* [entries], 2^31 * exp(-scale * i) */
    int32_t entries;
    int32_t rows;
    int32_t length;
};

/* a * b * 2^-31, rounded. */
static int32_t product(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

static int32_t divided(int32_t value, uint32_t power)
{
    const uint32_t mask = (uint32_t)(((uint64_t)1 << power) - 1U);
    const uint32_t threshold = (mask >> 1) + (value < 0 ? 1U : 0U);
    return (value >> power) + ((((uint32_t)value & mask) > threshold) ? 1 : 0);
}

static int32_t multiplied(int32_t value, int32_t power)
{
    const int64_t result = (int64_t)value * ((int64_t)1 << power);
    return result > INT32_MAX ? INT32_MAX : (result < INT32_MIN ? INT32_MIN : (int32_t)result);
}

/* 2^31 / (1 + x * 2^-31), by three steps of Newton's method with two integer bits. */
static int32_t reciprocal(int32_t x)
{
    const int64_t sum = (int64_t)x + INT32_MAX;
    const int32_t half = (int32_t)((sum + 1) / 2);
    int32_t guess = 1515870810 + product(half, -1010580540);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t rest = (1 << 29) - product(half, guess);
        guess += multiplied(product(guess, rest), 2);
    }
    return multiplied(guess, 1);
}

static void softmax(const struct softmax *p, const int8_t *in, int8_t *out)
{
    for (int32_t row = 0; row < p->rows; row++) {
        int32_t maximum = -128;
        int32_t sum = 0;
        for (int32_t i = 0; i < p->length; i++) {
            maximum = in[i] > maximum ? in[i] : maximum;
        }
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t below = maximum - in[i];
            sum += below < p->entries ? divided(p->exponentials[below], 12U) : 0;
        }
        uint32_t headroom = 0U;
        while ((((uint32_t)sum << headroom) & 0x80000000U) == 0U) {
            headroom++;
        }
        const int32_t scale = reciprocal((int32_t)(((uint32_t)sum << headroom) - 0x80000000U));
        for (int32_t i = 0; i < p->length; i++) {
            const int32_t below = maximum - in[i];
            out[i] = -128;
            if (below < p->entries) {
                const int32_t share = divided(product(scale, p->exponentials[below]), 12U - headroom + 23U);
                out[i] = clamped(share - 128, -128, 127);
            }
        }
        in = &in[p->length];
        out = &out[p->length];
    }
}
