// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. The C interface: exceptions become codes, and end here.
#include "ev.h"

#include <memory>
#include <new>
#include <string>

#include "error.h"
#include "pipeline.h"

struct ev_context {
    ev_context(const char *folder, const ev_options &options) : pipeline(folder, options) {}
    ev::Pipeline pipeline;
};

namespace {

constexpr int64_t longest_budget_ns = INT64_C(86400000000000);

// Fixed room: telling of an error needs no memory.
thread_local char last_error[1024] = "";

ev_status told(ev_status status, const char *text) noexcept
{
    size_t length = 0;
    while (text[length] != '\0' && length + 1 < sizeof last_error) {
        last_error[length] = text[length];
        length++;
    }
    last_error[length] = '\0';
    return status;
}

template <typename Call>
ev_status guarded(Call call) noexcept
{
    try {
        return call();
    } catch (const ev::Error &error) {
        return told(error.status(), error.what());
    } catch (const std::bad_alloc &) {
        return told(EV_ERROR_MEMORY, "no memory left");
    } catch (const std::exception &error) {
        return told(EV_ERROR_INTERNAL, error.what());
    } catch (...) {
        return told(EV_ERROR_INTERNAL, "an exception of an unknown kind");
    }
}

void refuse(const std::string &text) { throw ev::Error(EV_ERROR_ARGUMENT, "ev_open: " + text); }

void check(const ev_options &options)
{
    if (options.abi != EV_ABI) {
        refuse("options.abi: got " + std::to_string(options.abi) + "; allowed: " + std::to_string(EV_ABI)
               + ": start from EV_OPTIONS_INIT, and compile with the ev.h of this library");
    }
    if (options.threads < 0 || options.threads > 1024) {
        refuse("options.threads: got " + std::to_string(options.threads) + "; allowed: 0 to 1024");
    }
    if (options.budget_ns < 0 || options.budget_ns > longest_budget_ns) {
        refuse("options.budget_ns: got " + std::to_string(options.budget_ns) + "; allowed: 0 for none, to "
               + std::to_string(longest_budget_ns) + ", a day");
    }
    if (options.top_k < 1) {
        refuse("options.top_k: got 0; allowed: 1 or more");
    }
}

}  // namespace

extern "C" {

ev_status ev_open(const char *folder, const ev_options *options, ev_context **context)
{
    return guarded([&] {
        if (context == nullptr) {
            throw ev::Error(EV_ERROR_NULL, "ev_open: no place for the context");
        }
        *context = nullptr;
        if (folder == nullptr) {
            throw ev::Error(EV_ERROR_NULL, "ev_open: no folder");
        }
        ev_options chosen = EV_OPTIONS_INIT;
        if (options != nullptr) {
            check(*options);
            chosen = *options;
        }
        *context = new ev_context(folder, chosen);
        return EV_OK;
    });
}

ev_status ev_submit(ev_context *context, const ev_frame *frame)
{
    return guarded([&] {
        if (context == nullptr || frame == nullptr) {
            throw ev::Error(EV_ERROR_NULL, context == nullptr ? "ev_submit: no context" : "ev_submit: no frame");
        }
        context->pipeline.submit(*frame);
        return EV_OK;
    });
}

ev_status ev_poll(ev_context *context, int milliseconds, ev_result *result)
{
    return guarded([&] {
        if (context == nullptr || result == nullptr) {
            throw ev::Error(EV_ERROR_NULL, context == nullptr ? "ev_poll: no context" : "ev_poll: no place for the result");
        }
        return context->pipeline.poll(milliseconds, *result);
    });
}

ev_status ev_stats(ev_context *context, ev_statistics *statistics)
{
    return guarded([&] {
        if (context == nullptr || statistics == nullptr) {
            throw ev::Error(EV_ERROR_NULL, context == nullptr ? "ev_stats: no context" : "ev_stats: no place for the statistics");
        }
        *statistics = context->pipeline.statistics();
        return EV_OK;
    });
}

ev_status ev_close(ev_context *context)
{
    return guarded([&] {
        delete context;
        return EV_OK;
    });
}

const char *ev_last_error(void) { return last_error; }

}  // extern "C"
