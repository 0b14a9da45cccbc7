/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. For builds with sanitizers alone: dlopen without RTLD_DEEPBIND, which they refuse. */
#define _GNU_SOURCE
#include <dlfcn.h>

void *dlopen(const char *name, int flags)
{
    void *(*next)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return next(name, flags & ~RTLD_DEEPBIND);
}
