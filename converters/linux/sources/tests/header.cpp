// SPDX-License-Identifier: Apache-2.0
// Written by edgevision. ev.h is C++.
#include "ev.h"

ev_status header_in_cpp(ev_context **context)
{
    const ev_options options = EV_OPTIONS_INIT;
    return ev_open("model", &options, context);
}
