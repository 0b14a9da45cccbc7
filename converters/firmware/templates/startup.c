/* Vectors and start of a Cortex-M board; the FPU and vector unit are switched on where the compiler uses them. */
#include <stdint.h>

extern uint32_t stack_top;
extern uint32_t data_source;
extern uint32_t data_start;
extern uint32_t data_end;
extern uint32_t bss_start;
extern uint32_t bss_end;

int main(void);
void unexpected(void);
void reset(void);

void reset(void)
{
    const uint32_t *from = &data_source;
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    *(volatile uint32_t *)0xE000ED88U |= 0x00F00000U;
    __asm volatile("dsb\n isb");
#endif
    for (uint32_t *to = &data_start; to < &data_end; to++) {
        *to = *from;
        from++;
    }
    for (uint32_t *to = &bss_start; to < &bss_end; to++) {
        *to = 0U;
    }
    (void)main();
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top,         (void *)reset,      (void *)unexpected, (void *)unexpected, (void *)unexpected, (void *)unexpected,
    (void *)unexpected, (void *)unexpected, (void *)unexpected, (void *)unexpected, (void *)unexpected, (void *)unexpected,
    (void *)unexpected, (void *)unexpected, (void *)unexpected, (void *)unexpected,
};
