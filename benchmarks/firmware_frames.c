/* On a board of QEMU's: frames from the file frames.bin, what they become into the file answers.bin, by semihosting.
 *
 * A frame: format, encoding, width, height, then bytes and stride of two planes, each as uint32; then the planes.
 * An answer: status and instructions of preprocess as int32, the input, then instructions of run, class and score. */
#include <stdint.h>

#include "cam_io.h"

#define SYSTICK ((volatile uint32_t *)0xE000E010U)
#define COUNTER_MASK 0x00FFFFFFU
#define ROOM (1U << 19)

static union {
    uint64_t aligned;
    int8_t bytes[CAM_ARENA_SIZE];
} arena;
static uint8_t planes[ROOM];

static uint32_t semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void leave(uint32_t status)
{
    const uint32_t block[2] = {0x20026U, status};
    (void)semihosting(0x20U, block);
    for (;;) {
    }
}

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t block[3] = {(uint32_t)(uintptr_t)name, mode, length};
    const uint32_t handle = semihosting(1U, block);
    if (handle == 0xFFFFFFFFU) {
        leave(4U);
    }
    return handle;
}

/* Whether all of them were transferred; operation 5 writes, 6 reads. */
static int transfer(uint32_t operation, uint32_t handle, const void *data, uint32_t bytes)
{
    const uint32_t block[3] = {handle, (uint32_t)(uintptr_t)data, bytes};
    return semihosting(operation, block) == 0U;
}

static uint32_t ticks_since(uint32_t before)
{
    return (before - SYSTICK[2]) & COUNTER_MASK;
}

void unexpected(void);
void unexpected(void)
{
    leave(3U);
}

int main(void)
{
    cam_context context;
    uint32_t head[8];
    const uint32_t in = open_file("frames.bin", 10U, 1U);
    const uint32_t out = open_file("answers.bin", 11U, 5U);
    if (cam_init(&context, &arena, sizeof arena.bytes) != CAM_OK) {
        leave(2U);
    }
    SYSTICK[1] = COUNTER_MASK;
    SYSTICK[2] = 0U;
    SYSTICK[0] = 5U;
    while (transfer(6U, in, head, sizeof head)) {
        if ((head[4] + head[6] > ROOM) || !transfer(6U, in, planes, head[4] + head[6])) {
            leave(5U);
        }
        const cam_frame frame = {
            (cam_format)head[0], (cam_encoding)head[1], head[2], head[3],
            {{planes, head[4], head[5]}, {&planes[head[4]], head[6], head[7]}},
        };
        cam_class best = {-1, 0};
        int32_t answer[5];
        uint32_t before = SYSTICK[2];
        answer[0] = (int32_t)cam_preprocess(&context, &frame);
        answer[1] = (int32_t)(ticks_since(before) * INSTRUCTIONS_PER_TICK);
        if (!transfer(5U, out, answer, 8U) || !transfer(5U, out, cam_input(&context, 0U), CAM_INPUT_0_SIZE)) {
            leave(6U);
        }
        before = SYSTICK[2];
        (void)cam_run(&context);
        answer[2] = (int32_t)(ticks_since(before) * INSTRUCTIONS_PER_TICK);
        (void)cam_classify(&context, &best, 1U);
        answer[3] = best.index;
        answer[4] = best.score;
        if (!transfer(5U, out, &answer[2], 12U)) {
            leave(6U);
        }
    }
    leave(0U);
    return 0;
}
