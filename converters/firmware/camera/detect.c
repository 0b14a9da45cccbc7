/* Rows of x, y, width, height,@OBJECTNESS_NOTE@ class scores; of which output, where, and of which grid. */
struct level {
    uint32_t output;
    uint32_t first; /* element of the first row */
    uint32_t row_step;
    uint32_t column_step;
    uint32_t rows;
    uint32_t grid_width; /* cells of a row of the grid; 0 where boxes are of the whole input */
    int32_t stride;      /* pixels of a cell */
    const int32_t *score;  /* of each stored value, 0 to 2^30 */
    const int32_t *across; /* x, in 1/4096 of a cell */
    const int32_t *down;   /* y */
    const int32_t *width;
    const int32_t *height;
};

@DETECT_CONSTANTS@

struct candidate {
    uint64_t score; /* of 2^60; 0 for none */
    uint32_t row;
    @name@_box box;
};

static size_t index_of(int8_t stored)
{
    return (size_t)((int32_t)stored + 128);
}

/* From 1/8192 to 1/16 pixel, to the nearest, halves up, for values from -2^29 to 2^29. */
static int32_t sixteenths(int32_t value)
{
    return (int32_t)(((uint32_t)(value + 0x40000000) + 256U) / 512U) - 0x200000;
}

static @name@_box box_of(const struct level *level, const int8_t *row, uint32_t number)
{
    const uint32_t step = level->column_step;
    const int32_t cell_x = (level->grid_width == 0U) ? 0 : (int32_t)(number % level->grid_width);
    const int32_t cell_y = (level->grid_width == 0U) ? 0 : (int32_t)(number / level->grid_width);
    const int32_t x = ((4096 * cell_x) + level->across[index_of(row[0])]) * level->stride;
    const int32_t y = ((4096 * cell_y) + level->down[index_of(row[step])]) * level->stride;
    const int32_t width = level->width[index_of(row[2U * step])] * level->stride;
    const int32_t height = level->height[index_of(row[3U * step])] * level->stride;
    @name@_box found = {0, 0, 0, 0, 0, 0};
    found.left = sixteenths((2 * x) - width);
    found.top = sixteenths((2 * y) - height);
    found.right = sixteenths((2 * x) + width);
    found.bottom = sixteenths((2 * y) + height);
    return found;
}

static uint64_t area(int32_t left, int32_t top, int32_t right, int32_t bottom)
{
    return ((right > left) && (bottom > top)) ? ((uint64_t)((uint32_t)(right - left)) * (uint32_t)(bottom - top)) : 0U;
}

/* Whether two boxes overlap by more than the threshold. */
static int overlap(const @name@_box *a, const @name@_box *b)
{
    const uint64_t both = area((a->left > b->left) ? a->left : b->left, (a->top > b->top) ? a->top : b->top,
                               (a->right < b->right) ? a->right : b->right,
                               (a->bottom < b->bottom) ? a->bottom : b->bottom);
    const uint64_t first = area(a->left, a->top, a->right, a->bottom);
    const uint64_t second = area(b->left, b->top, b->right, b->bottom);
    const uint64_t all = (first + second) - both;
    return ((both << 20U) > (IOU_THRESHOLD * all)) ? 1 : 0;
}

static int suppressed(const @name@_box *box, const @name@_box *kept, size_t count)
{
    for (size_t i = 0U; i < count; i++) {
        if (((CLASS_AGNOSTIC != 0) || (kept[i].class_index == box->class_index)) && (overlap(box, &kept[i]) != 0)) {
            return 1;
        }
    }
    return 0;
}

/* The score of a row, 0 where it is under the threshold; and its best class. */
static uint64_t score_of(const struct level *level, const int8_t *row, int32_t *class_index)
{
    const uint32_t step = level->column_step;
    const int8_t *scores = &row[FIRST_SCORE * step];
    const uint64_t objectness = @OBJECTNESS@;
    uint64_t score;
    uint32_t best = 0U;
    if ((objectness << 30U) < SCORE_THRESHOLD) {
        return 0U;
    }
    for (uint32_t i = 1U; i < CLASSES; i++) {
        best = (scores[i * step] > scores[best * step]) ? i : best;
    }
    *class_index = (int32_t)best;
    score = objectness * (uint64_t)level->score[index_of(scores[best * step])];
    return (score < SCORE_THRESHOLD) ? 0U : score;
}

/* The best row behind `last` that no kept box suppresses: higher scores come first, of equal ones the first row. */
static struct candidate next_best(const @name@_context *context, const struct candidate *last, const @name@_box *kept,
                                  size_t count)
{
    struct candidate best = {0U, 0U, {0, 0, 0, 0, 0, 0}};
    uint32_t number = 0U;
    for (size_t l = 0U; l < LEVELS; l++) {
        const struct level *level = &levels[l];
        const int8_t *row = &@name@_output(context, level->output)[level->first];
        for (uint32_t i = 0U; i < level->rows; i++) {
            int32_t class_index = 0;
            const uint64_t score = score_of(level, &row[i * level->row_step], &class_index);
            if ((score > best.score) && ((score < last->score) || ((score == last->score) && (number > last->row)))) {
                @name@_box box = box_of(level, &row[i * level->row_step], i);
                box.class_index = class_index;
                if (suppressed(&box, kept, count) == 0) {
                    best.score = score;
                    best.row = number;
                    best.box = box;
                }
            }
            number++;
        }
    }
    return best;
}

/* From the input to the frame, along one axis: to the nearest 1/16 pixel, halves up, clipped to the frame. */
static int32_t to_frame(int32_t value, int32_t out_start, int32_t out_length, int32_t start, int32_t length,
                        int32_t limit)
{
    const int64_t divisor = 2 * (int64_t)out_length;
    const int64_t twice = (2 * (int64_t)(value - (16 * out_start)) * length) + out_length;
    const int64_t whole = (twice / divisor) - (((twice % divisor) < 0) ? 1 : 0);
    const int64_t moved = whole + (16 * (int64_t)start);
    return (int32_t)((moved < 0) ? 0 : ((moved > (16 * (int64_t)limit)) ? (16 * (int64_t)limit) : moved));
}

static void map_to_frame(@name@_box *box, const struct placement *at, int32_t width, int32_t height)
{
    box->left = to_frame(box->left, at->out_left, at->out_width, at->left, at->width, width);
    box->top = to_frame(box->top, at->out_top, at->out_height, at->top, at->height, height);
    box->right = to_frame(box->right, at->out_left, at->out_width, at->left, at->width, width);
    box->bottom = to_frame(box->bottom, at->out_top, at->out_height, at->top, at->height, height);
}

@name@_status @name@_detect(const @name@_context *context, const @name@_frame *frame, @name@_box *boxes, size_t room,
                            size_t *count)
{
    const size_t limit = (room < MAX_DETECTIONS) ? room : MAX_DETECTIONS;
    struct candidate last = {UINT64_MAX, 0U, {0, 0, 0, 0, 0, 0}};
    struct placement at;
    size_t kept = 0U;
    size_t inside = 0U;
    if ((context == NULL) || (frame == NULL) || (boxes == NULL) || (count == NULL)) {
        return @NAME@_ERROR_NULL;
    }
    *count = 0U;
    if (@name@_output(context, 0U) == NULL) {
        return @NAME@_ERROR_NOT_READY;
    }
    if ((frame->width < 1U) || (frame->width > @NAME@_FRAME_MAX_SIDE) || (frame->height < 1U)
        || (frame->height > @NAME@_FRAME_MAX_SIDE)) {
        return @NAME@_ERROR_SIZE;
    }
    while (kept < limit) {
        last = next_best(context, &last, boxes, kept);
        if (last.score == 0U) {
            break;
        }
        boxes[kept] = last.box;
        boxes[kept].score = (int32_t)((last.score + ((uint64_t)1U << 44U)) >> 45U);
        kept++;
    }
    at = place(frame->width, frame->height);
    for (size_t i = 0U; i < kept; i++) {
        map_to_frame(&boxes[i], &at, (int32_t)frame->width, (int32_t)frame->height);
        if (area(boxes[i].left, boxes[i].top, boxes[i].right, boxes[i].bottom) > 0U) {
            boxes[inside] = boxes[i];
            inside++;
        }
    }
    *count = inside;
    return @NAME@_OK;
}
