/* Bilinear, two taps along each axis, positions and weights in 1/256. */
static struct walk walk_along(int32_t in, int32_t out)
{
    return walk_from((256 * (in - out)) + out, 512 * in, 2 * out);
}

struct taps {
    size_t first;
    size_t second;
    uint32_t weight; /* of the second, of 256 */
};

static struct taps taps_at(const struct walk *walk, int32_t start, int32_t in)
{
    const int32_t last = 256 * (in - 1);
    const int32_t position = (walk->position < 0) ? 0 : ((walk->position > last) ? last : walk->position);
    const int32_t first = start + (position / 256);
    struct taps found;
    found.first = (size_t)first;
    found.second = (size_t)first + ((first < (start + in - 1)) ? 1U : 0U);
    found.weight = (uint32_t)(position % 256);
    return found;
}

static uint32_t mix(uint32_t first, uint32_t second, uint32_t weight)
{
    return (first * (256U - weight)) + (second * weight);
}

static uint32_t mixed(uint32_t upper, uint32_t lower, uint32_t down)
{
    return (mix(upper, lower, down) + 32768U) >> 16U;
}

static struct rgb sample(const @name@_frame *frame, const struct taps *row, const struct taps *column)
{
    const uint32_t across = column->weight;
    const struct rgb a = pixel(frame, column->first, row->first);
    const struct rgb b = pixel(frame, column->second, row->first);
    const struct rgb c = pixel(frame, column->first, row->second);
    const struct rgb d = pixel(frame, column->second, row->second);
    /* Each half stays under 2^16: neither runs into the other. */
    const uint32_t upper = mix(a.red_blue, b.red_blue, across);
    const uint32_t lower = mix(c.red_blue, d.red_blue, across);
    const uint32_t upper_green = mix(a.green, b.green, across);
    const uint32_t lower_green = mix(c.green, d.green, across);
    const uint32_t red = mixed(upper & 0xFFFFU, lower & 0xFFFFU, row->weight);
    return rgb_of(red, mixed(upper_green, lower_green, row->weight), mixed(upper >> 16U, lower >> 16U, row->weight));
}
