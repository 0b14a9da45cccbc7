/* One value everywhere: what a padding leaves around its input. */
struct fill {
    int32_t value;
    int32_t count;
};

static void fill(const struct fill *p, int8_t *out)
{
    memset(out, (int)p->value, (size_t)p->count);
}
