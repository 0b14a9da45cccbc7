/* Resizing to the nearest pixel: which one is in tables. */
struct nearest {
    const int32_t *rows;    /* [out_height] */
    const int32_t *columns; /* [out_width] */
    int32_t in_width;
    int32_t out_height;
    int32_t out_width;
    int32_t channels;
};

static void nearest(const struct nearest *p, const int8_t *in, int8_t *out)
{
    for (int32_t y = 0; y < p->out_height; y++) {
        for (int32_t x = 0; x < p->out_width; x++) {
            const int32_t place = ((p->rows[y] * p->in_width) + p->columns[x]) * p->channels;
            memcpy(out, &in[place], (size_t)p->channels);
            out = &out[p->channels];
        }
    }
}
