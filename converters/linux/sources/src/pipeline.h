// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. The newest frame goes to a thread that runs the model; its newest result waits.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "artifact.h"
#include "preprocess.h"
#include "results.h"
#include "runtime.h"
#include "window.h"

namespace ev {

int64_t now_ns();  // CLOCK_MONOTONIC

class Pipeline {
public:
    Pipeline(const std::string &folder, const ev_options &options);
    ~Pipeline();
    Pipeline(const Pipeline &) = delete;
    Pipeline &operator=(const Pipeline &) = delete;

    void submit(const ev_frame &frame);
    ev_status poll(int milliseconds, ev_result &result);
    ev_statistics statistics();

private:
    struct Job {
        Picture picture;
        uint64_t seq = 0;
        int64_t pts = 0;
        int64_t captured_ns = 0;
        int64_t submitted_ns = 0;
    };
    struct Result {
        uint64_t seq = 0;
        int64_t pts = 0;
        int64_t captured_ns = 0;
        int64_t preprocess_ns = 0;
        int64_t infer_ns = 0;
        int64_t decode_ns = 0;
        Answer answer;
        Tensor input;
        std::string failure;  // empty for none
        std::vector<ev_tensor> tensors;
    };

    std::unique_ptr<Job> begin(const ev_frame &frame);
    void put(std::unique_ptr<Job> job);
    void work();
    bool too_late(const Job &job);
    std::unique_ptr<Result> answer_to(const Job &job);
    void run(const Job &job, Result &result);
    void publish(std::unique_ptr<Job> job, std::unique_ptr<Result> result);
    void show(Result &result, ev_result &shown) const;
    ev_tensor tensor_of(const Spec &spec, const Tensor &tensor) const;

    const Artifact artifact_;
    const ev_options options_;
    Preprocessor preprocess_;            // the thread's, like the runtime
    std::unique_ptr<Runtime> runtime_;
    int64_t last_run_ns_ = 0;            // the thread's

    std::mutex polling_;
    std::unique_ptr<Result> shown_;      // what the last ev_poll gave; guarded by polling_

    std::mutex mutex_;                   // guards everything below
    std::condition_variable frame_came_;
    std::condition_variable result_came_;
    bool stopping_ = false;
    uint64_t newest_ = 0;                // seq of the newest frame that ever waited
    std::unique_ptr<Job> waiting_;
    std::unique_ptr<Result> ready_;
    std::vector<std::unique_ptr<Job>> free_jobs_;
    std::vector<std::unique_ptr<Result>> free_results_;
    ev_statistics counted_{};
    Window wait_, preprocessing_, inferring_, decoding_, age_, needed_;

    std::thread thread_;
};

}  // namespace ev
