/* The selftest on this machine. */
#include <stdio.h>

#include "@name@.h"
#include "@name@_selftest.h"

static union {
    uint32_t aligned;
    int8_t bytes[@NAME@_ARENA_SIZE];
} arena;

int main(void)
{
    const int failures = @name@_selftest(&arena, sizeof arena);
    printf("@name@: %d vectors differ\n", failures);
    return failures == 0 ? 0 : 1;
}
