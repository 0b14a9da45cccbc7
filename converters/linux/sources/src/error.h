// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. Errors inside the library; ev.cpp turns them into codes.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include "ev.h"

namespace ev {

// Text: what is wrong: got …; allowed: …; what to do next.
class Error : public std::exception {
public:
    Error(ev_status status, std::string text) : status_(status), text_(std::move(text)) {}
    const char *what() const noexcept override { return text_.c_str(); }
    ev_status status() const noexcept { return status_; }

private:
    ev_status status_;
    std::string text_;
};

}  // namespace ev
