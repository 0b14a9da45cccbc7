const char *const @name@_labels[@LABEL_ROOM@] = {@LABELS@};

const uint8_t @name@_model_sha256[32] = {
    @SHA256@
};

static const uint32_t input_places[@NAME@_INPUTS] = {@INPUT_PLACES@};
static const uint32_t output_places[@NAME@_OUTPUTS] = {@OUTPUT_PLACES@};

@name@_status @name@_init(@name@_context *context, void *arena, size_t bytes)
{
    if ((context == NULL) || (arena == NULL)) {
        return @NAME@_ERROR_NULL;
    }
    context->arena = NULL;
    if (bytes < (size_t)@NAME@_ARENA_SIZE) {
        return @NAME@_ERROR_ARENA_SIZE;
    }
    if (((uintptr_t)arena % @NAME@_ARENA_ALIGNMENT) != 0U) {
        return @NAME@_ERROR_ALIGNMENT;
    }
    context->arena = (int8_t *)arena;
    return @NAME@_OK;
}

int8_t *@name@_input(const @name@_context *context, size_t index)
{
    if ((context == NULL) || (context->arena == NULL) || (index >= @NAME@_INPUTS)) {
        return NULL;
    }
    return &context->arena[input_places[index]];
}

const int8_t *@name@_output(const @name@_context *context, size_t index)
{
    if ((context == NULL) || (context->arena == NULL) || (index >= @NAME@_OUTPUTS)) {
        return NULL;
    }
    return &context->arena[output_places[index]];
}

@name@_status @name@_run(const @name@_context *context)
{
    if (context == NULL) {
        return @NAME@_ERROR_NULL;
    }
    if (context->arena == NULL) {
        return @NAME@_ERROR_NOT_READY;
    }
    return run(context->arena) == 0 ? @NAME@_OK : @NAME@_ERROR_BACKEND;
}

@name@_status @name@_classify(const @name@_context *context, @name@_class *top, size_t count)
{
    const int8_t *scores = @name@_output(context, 0U);
    if (top == NULL) {
        return @NAME@_ERROR_NULL;
    }
    if (scores == NULL) {
        return @NAME@_ERROR_NOT_READY;
    }
    if ((count < 1U) || (count > @NAME@_OUTPUT_0_SIZE)) {
        return @NAME@_ERROR_ARGUMENT;
    }
    for (size_t filled = 0U; filled < count; filled++) {
        top[filled].index = -1;
        for (int32_t i = 0; i < (int32_t)@NAME@_OUTPUT_0_SIZE; i++) {
            int32_t taken = 0;
            for (size_t before = 0U; before < filled; before++) {
                taken = (top[before].index == i) ? 1 : taken;
            }
            if ((taken == 0) && ((top[filled].index < 0) || (scores[i] > top[filled].score))) {
                top[filled].index = i;
                top[filled].score = scores[i];
            }
        }
    }
    return @NAME@_OK;
}
