/* A library with libedgetpu's C interface and a delegate of TFLite's C ABI, for tests without an Edge TPU.
 *
 * The delegate takes "edgetpu-custom-op" as libedgetpu's does and fills its outputs with 7. The environment says what
 * it plays: EDGETPU_SAYS (its version), EDGETPU_AT (paths of devices, "usb=/sys/…,pci=/dev/apex_0"), EDGETPU_BUSY (no
 * delegate), EDGETPU_CRASHES (as with another TFLite), EDGETPU_FAILS_AT (number of the inference that fails) and
 * EDGETPU_VANISHES (it is not listed after that). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int size; int data[]; } IntArray;
typedef struct { int type; void *data; IntArray *dims; float scale; int32_t zero_point; int allocation; size_t bytes; void *rest[8]; } Tensor;
typedef struct { IntArray *inputs, *outputs; } Node;
struct Context;
typedef struct {
    void *(*init)(struct Context *, const char *, size_t);
    void (*free)(struct Context *, void *);
    int (*prepare)(struct Context *, Node *);
    int (*invoke)(struct Context *, Node *);
    const char *(*profiling_string)(const struct Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *newer[6]; /* fields of later releases: empty */
} Registration;
typedef struct Delegate {
    void *data;
    int (*prepare)(struct Context *, struct Delegate *);
    void *copy_from, *copy_to, *free_handle;
    int64_t flags;
    void *builder;
    void *newer[4];
} Delegate;
typedef struct Context {
    size_t tensors_size;
    int (*get_plan)(struct Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    int (*resize)(struct Context *, Tensor *, IntArray *);
    void (*report)(struct Context *, const char *, ...);
    int (*add_tensors)(struct Context *, int, int *);
    int (*get_node)(struct Context *, int, Node **, Registration **);
    int (*replace)(struct Context *, Registration, const IntArray *, Delegate *);
} Context;

struct device { int type; const char *path; };

static int inferences, gone;

const char *edgetpu_version(void) { return getenv("EDGETPU_SAYS"); }

struct device *edgetpu_list_devices(size_t *count) {
    const char *at = getenv("EDGETPU_AT");
    *count = 0;
    if (!at || !*at || gone) return NULL;
    struct device *found = calloc(8, sizeof *found);
    char *text = strdup(at), *saved = NULL;
    for (char *word = strtok_r(text, ",", &saved); word && *count < 8; word = strtok_r(NULL, ",", &saved)) {
        found[*count].type = strncmp(word, "pci=", 4) ? 1 : 0;
        found[(*count)++].path = word + 4;
    }
    return found;
}

void edgetpu_free_devices(struct device *devices) { free(devices); }

static int prepare(Context *context, Node *node) { (void)context; (void)node; return 0; }

static int invoke(Context *context, Node *node) {
    const char *fails = getenv("EDGETPU_FAILS_AT");
    if (fails && ++inferences == atoi(fails)) {
        gone = getenv("EDGETPU_VANISHES") != NULL;
        context->report(context, "Failed to execute request: USB transfer error 5");
        return 1;
    }
    for (int i = 0; i < node->outputs->size; i++) {
        Tensor *tensor = &context->tensors[node->outputs->data[i]];
        memset(tensor->data, 7, tensor->bytes);
    }
    return 0;
}

static int take(Context *context, Delegate *delegate) {
    IntArray *plan;
    if (context->get_plan(context, &plan)) return 1;
    int nodes[64], count = 0;
    for (int i = 0; i < plan->size && count < 64; i++) {
        Node *node;
        Registration *registration;
        if (context->get_node(context, plan->data[i], &node, &registration)) return 1;
        if (registration->custom_name && !strcmp(registration->custom_name, "edgetpu-custom-op"))
            nodes[count++] = plan->data[i];
    }
    Registration own = {.prepare = prepare, .invoke = invoke, .custom_name = "EdgeTpuDelegateForCustomOp", .version = 1};
    for (int i = 0; i < count; i++) {
        IntArray *one = malloc(sizeof *one + sizeof(int));
        one->size = 1;
        one->data[0] = nodes[i];
        context->replace(context, own, one, delegate);
        free(one);
    }
    return 0;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*error)(const char *)) {
    (void)error;
    if (getenv("EDGETPU_CRASHES")) *(volatile int *)8 = 0;
    if (getenv("EDGETPU_BUSY")) return NULL;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(keys[i], "device") && strcmp(values[i], getenv("EDGETPU_WANTED"))) return NULL;
    Delegate *made = calloc(1, sizeof *made);
    made->prepare = take;
    made->flags = 1;
    return made;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
