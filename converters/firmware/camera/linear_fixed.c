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

static uint8_t mixed(const uint8_t corners[4], uint32_t across, uint32_t down)
{
    const uint32_t upper = (corners[0] * (256U - across)) + (corners[1] * across);
    const uint32_t lower = (corners[2] * (256U - across)) + (corners[3] * across);
    return (uint8_t)(((upper * (256U - down)) + (lower * down) + 32768U) >> 16U);
}

static struct rgb sample(const @name@_frame *frame, const struct taps *row, const struct taps *column)
{
    const struct rgb a = pixel(frame, column->first, row->first);
    const struct rgb b = pixel(frame, column->second, row->first);
    const struct rgb c = pixel(frame, column->first, row->second);
    const struct rgb d = pixel(frame, column->second, row->second);
    const uint8_t reds[4] = {a.red, b.red, c.red, d.red};
    const uint8_t greens[4] = {a.green, b.green, c.green, d.green};
    const uint8_t blues[4] = {a.blue, b.blue, c.blue, d.blue};
    struct rgb found;
    found.red = mixed(reds, column->weight, row->weight);
    found.green = mixed(greens, column->weight, row->weight);
    found.blue = mixed(blues, column->weight, row->weight);
    return found;
}
