/* The selftest on a board of QEMU's, then one inference timed with SysTick; output and exit code by semihosting. */
#include <stdint.h>
#include <string.h>

#include "@name@.h"
#include "@name@_selftest.h"

#define SYSTICK ((volatile uint32_t *)0xE000E010U)
#define COUNTER_MASK 0x00FFFFFFU
#define INSTRUCTIONS_PER_TICK @INSTRUCTIONS_PER_TICK@U

static union {
    uint64_t aligned;
    int8_t bytes[@NAME@_ARENA_SIZE];
} arena;

static uint32_t semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void print(const char *text)
{
    (void)semihosting(4U, text);
}

static void print_number(const char *what, uint32_t value)
{
    char digits[12];
    char *at = &digits[11];
    *at = '\0';
    do {
        at--;
        *at = (char)('0' + (char)(value % 10U));
        value /= 10U;
    } while (value != 0U);
    print(what);
    print(at);
    print("\n");
}

static void leave(uint32_t status)
{
    const uint32_t block[2] = {0x20026U, status};
    (void)semihosting(0x20U, block);
    for (;;) {
    }
}

void unexpected(void);
void unexpected(void)
{
    print("fault\n");
    leave(3U);
}

int main(void)
{
    @name@_context context;
    const int failures = @name@_selftest(&arena, sizeof arena.bytes);
    print_number("vectors that differ: ", (uint32_t)failures);
    if (@name@_init(&context, &arena, sizeof arena.bytes) != @NAME@_OK) {
        leave(2U);
    }
    memset(@name@_input(&context, 0U), 0, @NAME@_INPUT_0_SIZE);
    SYSTICK[1] = COUNTER_MASK;
    SYSTICK[2] = 0U;
    SYSTICK[0] = 5U;
    const uint32_t before = SYSTICK[2];
    (void)@name@_run(&context);
    const uint32_t after = SYSTICK[2];
    print_number("instructions: ", ((before - after) & COUNTER_MASK) * INSTRUCTIONS_PER_TICK);
    leave(failures == 0 ? 0U : 1U);
    return 0;
}
