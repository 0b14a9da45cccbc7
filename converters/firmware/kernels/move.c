/* Values from strided places to strided places. */
struct move {
    int32_t sizes[5];
    int32_t in_strides[5];
    int32_t out_strides[5];
    int32_t in_start;
    int32_t out_start;
};

static void move(const struct move *p, const int8_t *in, int8_t *out)
{
    for (int32_t i = 0; i < p->sizes[0]; i++) {
        for (int32_t j = 0; j < p->sizes[1]; j++) {
            for (int32_t k = 0; k < p->sizes[2]; k++) {
                for (int32_t m = 0; m < p->sizes[3]; m++) {
                    const int8_t *from = &in[p->in_start + (i * p->in_strides[0]) + (j * p->in_strides[1]) +
                                             (k * p->in_strides[2]) + (m * p->in_strides[3])];
                    int8_t *to = &out[p->out_start + (i * p->out_strides[0]) + (j * p->out_strides[1]) +
                                      (k * p->out_strides[2]) + (m * p->out_strides[3])];
                    if ((p->in_strides[4] == 1) && (p->out_strides[4] == 1)) {
                        memcpy(to, from, (size_t)p->sizes[4]);
                    } else {
                        for (int32_t n = 0; n < p->sizes[4]; n++) {
                            to[n * p->out_strides[4]] = from[n * p->in_strides[4]];
                        }
                    }
                }
            }
        }
    }
}
