// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include "pipeline.h"

#include <ctime>

#include <algorithm>
#include <chrono>

#include "error.h"

namespace ev {

namespace {

constexpr int64_t second = 1000000000;

Artifact opened(const std::string &folder)
{
    Artifact made = read_artifact(folder);
    if (made.runtime != runtime_name) {
        throw Error(EV_ERROR_MODEL, folder + ": a model for another runtime: got " + made.runtime + "; allowed: "
                                        + runtime_name + ", which this library was built with");
    }
    return made;
}

}  // namespace

int64_t now_ns()
{
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<int64_t>(time.tv_sec) * second + time.tv_nsec;
}

Pipeline::Pipeline(const std::string &folder, const ev_options &options)
    : artifact_(opened(folder)), options_(options), preprocess_(artifact_), runtime_(make_runtime(artifact_, options))
{
    thread_ = std::thread([this] { work(); });
}

Pipeline::~Pipeline()
{
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stopping_ = true;
    }
    frame_came_.notify_all();
    thread_.join();
}

void Pipeline::submit(const ev_frame &frame)
{
    std::unique_ptr<Job> job = begin(frame);
    try {
        if (job->captured_ns < 0 || job->captured_ns > job->submitted_ns + second) {
            throw Error(EV_ERROR_ARGUMENT, std::string("frame: captured ")
                                               + (job->captured_ns < 0 ? "before the clock began" : "in the future")
                                               + ": got captured_ns " + std::to_string(job->captured_ns)
                                               + "; allowed: CLOCK_MONOTONIC, or 0");
        }
        copy_frame(frame, job->picture);
    } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex_);
        counted_.refused++;
        counted_.in_flight--;
        free_jobs_.push_back(std::move(job));
        throw;
    }
    put(std::move(job));
}

std::unique_ptr<Pipeline::Job> Pipeline::begin(const ev_frame &frame)
{
    const int64_t now = now_ns();
    const std::lock_guard<std::mutex> lock(mutex_);
    std::unique_ptr<Job> job;
    if (free_jobs_.empty()) {
        job = std::make_unique<Job>();
    } else {
        job = std::move(free_jobs_.back());
        free_jobs_.pop_back();
    }
    job->seq = ++counted_.received;
    counted_.in_flight++;
    job->pts = frame.pts;
    job->captured_ns = frame.captured_ns != 0 ? frame.captured_ns : now;
    job->submitted_ns = now;
    return job;
}

// Of two frames that were copied at the same time the one stays whose ev_submit began later, be it at the model already:
// results never go back in time.
void Pipeline::put(std::unique_ptr<Job> job)
{
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (newest_ < job->seq) {
            newest_ = job->seq;
            std::swap(waiting_, job);
        }
        if (job != nullptr) {
            counted_.replaced++;
            counted_.in_flight--;
            free_jobs_.push_back(std::move(job));
        }
    }
    frame_came_.notify_one();
}

void Pipeline::work()
{
    while (true) {
        std::unique_ptr<Job> job;
        {
            std::unique_lock<std::mutex> lock(mutex_);
            frame_came_.wait(lock, [this] { return stopping_ || waiting_ != nullptr; });
            if (stopping_) {
                return;
            }
            job = std::move(waiting_);
            wait_.add(now_ns() - job->submitted_ns);
            if (too_late(*job)) {
                counted_.skipped++;
                counted_.in_flight--;
                free_jobs_.push_back(std::move(job));
                continue;
            }
        }
        last_run_ns_ = now_ns();
        std::unique_ptr<Result> result = answer_to(*job);
        publish(std::move(job), std::move(result));
    }
}

// A model that was slow for a while is tried again each second: only running it shows that it is not slow any more.
bool Pipeline::too_late(const Job &job)
{
    if (options_.budget_ns <= 0) {
        return false;
    }
    const int64_t now = now_ns(), left = job.captured_ns + options_.budget_ns - now;
    return left < 0 || (left < needed_.percentile(95) && now - last_run_ns_ < second);
}

std::unique_ptr<Pipeline::Result> Pipeline::answer_to(const Job &job)
{
    std::unique_ptr<Result> result;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!free_results_.empty()) {
            result = std::move(free_results_.back());
            free_results_.pop_back();
        }
    }
    if (result == nullptr) {
        result = std::make_unique<Result>();
    }
    result->seq = job.seq;
    result->pts = job.pts;
    result->captured_ns = job.captured_ns;
    result->failure.clear();
    try {
        run(job, *result);
    } catch (const std::exception &error) {
        result->failure = error.what();
    }
    return result;
}

void Pipeline::run(const Job &job, Result &result)
{
    const int64_t started = now_ns();
    const Geometry geometry = preprocess_(job.picture, runtime_->input());
    const int64_t ready = now_ns();
    runtime_->infer(result.answer.outputs);
    const int64_t inferred = now_ns();
    decode(artifact_, geometry, job.picture.width, job.picture.height, options_.top_k, result.answer);
    result.preprocess_ns = ready - started;
    result.infer_ns = inferred - ready;
    result.decode_ns = now_ns() - inferred;
    if (options_.keep_input != 0) {
        result.input = {artifact_.input.shape, runtime_->input()};
    }
}

void Pipeline::publish(std::unique_ptr<Job> job, std::unique_ptr<Result> result)
{
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        counted_.in_flight--;
        free_jobs_.push_back(std::move(job));
        if (result->failure.empty()) {
            counted_.results++;
            preprocessing_.add(result->preprocess_ns);
            inferring_.add(result->infer_ns);
            decoding_.add(result->decode_ns);
            needed_.add(result->preprocess_ns + result->infer_ns + result->decode_ns);
        } else {
            counted_.failed++;
        }
        std::swap(ready_, result);
        if (result != nullptr) {
            counted_.unread += result->failure.empty() ? 1 : 0;
            free_results_.push_back(std::move(result));
        }
    }
    result_came_.notify_one();
}

ev_status Pipeline::poll(int milliseconds, ev_result &result)
{
    const std::unique_lock<std::mutex> polling(polling_, std::try_to_lock);
    if (!polling.owns_lock()) {
        throw Error(EV_ERROR_BUSY, "ev_poll: another thread is in it");
    }
    std::unique_lock<std::mutex> lock(mutex_);
    const auto came = [this] { return ready_ != nullptr; };
    if (milliseconds < 0) {
        result_came_.wait(lock, came);
    } else if (!result_came_.wait_for(lock, std::chrono::milliseconds(milliseconds), came)) {
        return EV_TIMEOUT;
    }
    if (shown_ != nullptr) {
        free_results_.push_back(std::move(shown_));
    }
    shown_ = std::move(ready_);
    if (!shown_->failure.empty()) {
        throw Error(EV_ERROR_RUNTIME, shown_->failure);
    }
    show(*shown_, result);
    age_.add(result.age_ns);
    counted_.late += result.late != 0 ? 1 : 0;
    return EV_OK;
}

void Pipeline::show(Result &from, ev_result &shown) const
{
    shown = {};
    shown.seq = from.seq;
    shown.pts = from.pts;
    shown.captured_ns = from.captured_ns;
    shown.age_ns = std::max<int64_t>(0, now_ns() - from.captured_ns);
    shown.late = options_.budget_ns > 0 && shown.age_ns > options_.budget_ns ? 1 : 0;
    shown.preprocess_ns = from.preprocess_ns;
    shown.infer_ns = from.infer_ns;
    shown.decode_ns = from.decode_ns;
    shown.class_count = from.answer.classes.size();
    shown.classes = from.answer.classes.data();
    shown.box_count = from.answer.boxes.size();
    shown.boxes = from.answer.boxes.data();
    from.tensors.clear();
    for (size_t i = 0; i < from.answer.outputs.size(); i++) {
        from.tensors.push_back(tensor_of(artifact_.outputs[i], from.answer.outputs[i]));
    }
    if (options_.keep_input != 0) {
        from.tensors.push_back(tensor_of(artifact_.input, from.input));
        shown.input = &from.tensors.back();
    }
    shown.output_count = from.answer.outputs.size();
    shown.outputs = from.tensors.data();
}

ev_tensor Pipeline::tensor_of(const Spec &spec, const Tensor &tensor) const
{
    return {spec.name.c_str(), spec.dtype, tensor.shape.size(), tensor.shape.data(), tensor.data.data(), tensor.data.size()};
}

ev_statistics Pipeline::statistics()
{
    const std::lock_guard<std::mutex> lock(mutex_);
    ev_statistics found = counted_;
    found.wait = wait_.stage();
    found.preprocess = preprocessing_.stage();
    found.infer = inferring_.stage();
    found.decode = decoding_.stage();
    found.age = age_.stage();
    return found;
}

}  // namespace ev
