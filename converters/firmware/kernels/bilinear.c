/* Bilinear resizing with weights of 10 bits. */
struct bilinear {
    const int32_t *rows;    /* [out_height][3]: the first and the second pixel, the second one's weight of 1024 */
    const int32_t *columns; /* [out_width][3] */
    int32_t in_width;
    int32_t out_height;
    int32_t out_width;
    int32_t channels;
};

static void bilinear(const struct bilinear *p, const int8_t *in, int8_t *out)
{
    for (int32_t y = 0; y < p->out_height; y++) {
        const int32_t *row = &p->rows[3 * y];
        for (int32_t x = 0; x < p->out_width; x++) {
            const int32_t *column = &p->columns[3 * x];
            const int8_t *a = &in[((row[0] * p->in_width) + column[0]) * p->channels];
            const int8_t *b = &in[((row[0] * p->in_width) + column[1]) * p->channels];
            const int8_t *c = &in[((row[1] * p->in_width) + column[0]) * p->channels];
            const int8_t *d = &in[((row[1] * p->in_width) + column[1]) * p->channels];
            for (int32_t n = 0; n < p->channels; n++) {
                const int32_t upper = (a[n] * (1024 - column[2])) + (b[n] * column[2]);
                const int32_t lower = (c[n] * (1024 - column[2])) + (d[n] * column[2]);
                const int32_t sum = (upper * (1024 - row[2])) + (lower * row[2]);
                *out = (int8_t)((sum + (sum > 0 ? 524288 : -524288)) / 1048576);
                out++;
            }
        }
    }
}
