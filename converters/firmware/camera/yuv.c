/* 65536 times the real coefficients of the conversion from YUV; `black` is the luma of black. */
struct yuv {
    int32_t black;
    int32_t luma;
    int32_t red_cr;
    int32_t green_cb;
    int32_t green_cr;
    int32_t blue_cb;
};

static const struct yuv encodings[4] = {
@ENCODINGS@
};

static uint32_t level(int32_t fixed)
{
    const int32_t positive = (fixed < 0) ? 0 : fixed;
    return (uint32_t)((positive > 0xFFFFFF) ? 0xFFFFFF : positive) >> 16U;
}

static inline struct rgb from_yuv(const @name@_frame *frame, uint8_t y, uint8_t u, uint8_t v)
{
    const struct yuv *p = &encodings[(uint32_t)frame->encoding - 1U];
    const int32_t luma = (p->luma * ((int32_t)y - p->black)) + 32768;
    const int32_t cb = (int32_t)u - 128;
    const int32_t cr = (int32_t)v - 128;
    const uint32_t red = level(luma + (p->red_cr * cr));
    const uint32_t green = level(luma - (p->green_cr * cr) - (p->green_cb * cb));
    return rgb_of(red, green, level(luma + (p->blue_cb * cb)));
}
