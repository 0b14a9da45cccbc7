/* SPDX-License-Identifier: Apache-2.0
 * Written by edgevision. ev.h is C99. */
#include "ev.h"

ev_status header_in_c(ev_context **context);
ev_status header_in_c(ev_context **context)
{
    const ev_options options = EV_OPTIONS_INIT;
    return ev_open("model", &options, context);
}
