
/* An object: sides in 1/16 pixels of the frame, inside it; its class among the labels; its score, of 32768. */
typedef struct {
    int32_t left;
    int32_t top;
    int32_t right;
    int32_t bottom;
    int32_t class_index;
    int32_t score;
} @name@_box;

#define @NAME@_MAX_DETECTIONS @MAX_DETECTIONS@U

/* After @name@_run: the objects in the frame that @name@_preprocess was given, the best first, `room` of them at most; *count
   says how many. Decoder @DECODER@, score from @SCORE_TEXT@, overlap up to @IOU_TEXT@. Of the frame only width and height
   are read. */
@name@_status @name@_detect(const @name@_context *context, const @name@_frame *frame, @name@_box *boxes, size_t room,
                            size_t *count);
