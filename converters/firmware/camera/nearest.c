/* The pixel under the middle of the output pixel. */
static struct walk walk_along(int32_t in, int32_t out)
{
    return walk_from(in, 2 * in, 2 * out);
}

struct taps {
    size_t first;
};

static struct taps taps_at(const struct walk *walk, int32_t start, int32_t in)
{
    struct taps found;
    (void)in;
    found.first = (size_t)start + (size_t)walk->position;
    return found;
}

static struct rgb sample(const @name@_frame *frame, const struct taps *row, const struct taps *column)
{
    return pixel(frame, column->first, row->first);
}
