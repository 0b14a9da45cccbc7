/* A position that goes up by a fraction for each output index: stepped with its remainder, so that it is exact. */
struct walk {
    int32_t position;
    int32_t rest; /* of `divisor` */
    int32_t step;
    int32_t step_rest;
    int32_t divisor;
};

/* From start / divisor in steps of step / divisor, rounded down. */
static struct walk walk_from(int32_t start, int32_t step, int32_t divisor)
{
    struct walk found = {start / divisor, start % divisor, step / divisor, step % divisor, divisor};
    if (found.rest < 0) {
        found.rest += divisor;
        found.position--;
    }
    return found;
}

static void walk_on(struct walk *walk)
{
    walk->position += walk->step;
    walk->rest += walk->step_rest;
    if (walk->rest >= walk->divisor) {
        walk->rest -= walk->divisor;
        walk->position++;
    }
}
