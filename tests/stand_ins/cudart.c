/* Stands in for NVIDIA's libcudart: "device" memory is the host's, streams do at once what they are given.
 * It is for tests of what edgevision does around the library, and says nothing about a GPU. */
#include <stdlib.h>
#include <string.h>

static int live = 0, calls_left = -1;

static int broken(void) {
    if (calls_left == 0) return 719; /* cudaErrorLaunchFailure */
    if (calls_left > 0) calls_left--;
    return 0;
}

int stand_in_live(void) { return live; }
void stand_in_break_after(int calls) { calls_left = calls; }

int cudaGetDeviceCount(int *count) { *count = 2; return 0; }
int cudaSetDevice(int device) { (void)device; return 0; }
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
    (void)device;
    *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 16 ? 16 : -1;
    return 0;
}
int cudaGetDeviceProperties(void *properties, int device) {
    (void)device;
    strcpy(properties, "Orin");
    return 0;
}
static int new(void **made, size_t size) {
    if (broken()) return 2; /* cudaErrorMemoryAllocation */
    *made = malloc(size);
    live++;
    return 0;
}
static int old(void *address) {
    free(address);
    live--;
    return 0;
}
int cudaMalloc(void **made, size_t size) { return new(made, size); }
int cudaFree(void *address) { return old(address); }
int cudaHostAlloc(void **made, size_t size, unsigned flags) { (void)flags; return new(made, size); }
int cudaFreeHost(void *address) { return old(address); }
int cudaStreamCreateWithFlags(void **made, unsigned flags) { return flags == 1 ? new(made, 1) : 1; }
int cudaStreamDestroy(void *stream) { return old(stream); }
int cudaStreamSynchronize(void *stream) { (void)stream; return broken(); }
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) {
    (void)stream;
    if (broken()) return 719;
    if (kind != 1 && kind != 2) return 21;
    memcpy(to, from, size);
    return 0;
}
const char *cudaGetErrorString(int status) { return status == 719 ? "unspecified launch failure" : "out of memory"; }
