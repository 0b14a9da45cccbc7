// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit. What ev.conf says of a model: the manifest, as far as firmware needs it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor.h"

namespace ev {

struct File {
    std::string name;
    size_t bytes = 0;
    std::string sha256;
};

// Preprocessing: edgevision.preprocessing.Preprocessing, bound to the input; `table` holds what each pixel value becomes.
struct Preprocessing {
    uint32_t height = 0;
    uint32_t width = 0;
    std::string resize;
    std::string filter;
    std::string color;
    uint8_t pad_value = 0;
    std::vector<uint8_t> table;  // channels × 256 stored values

    size_t channels() const { return color == "GRAY" ? 1 : 3; }
};

// Where the rows of one grid lie in an output, in elements; grid_width 0 where boxes are of the whole input.
struct Level {
    size_t output = 0;
    size_t first = 0;
    size_t row_step = 0;
    size_t column_step = 0;
    size_t rows = 0;
    size_t columns = 0;
    size_t grid_width = 0;
    float stride = 1.0F;
};

struct Decoding {
    std::string decoder;
    float score_threshold = 0.0F;
    float iou_threshold = 1.0F;
    bool class_agnostic = false;
    size_t max_detections = 0;
    bool sigmoid = false;
    bool normalized = false;
    std::vector<Level> levels;      // yolox, yolov5, yolov8
    std::vector<size_t> places;     // tflite_detection_postprocess: boxes, classes, scores, count
    int64_t first_class = 0;
};

struct Artifact {
    std::string folder;
    std::string runtime;
    std::vector<std::pair<std::string, std::string>> properties;  // of the runtime
    std::string model;                                            // file name
    std::vector<File> files;
    std::string task;
    std::string activation;
    Spec input;
    std::string layout;
    std::vector<Spec> outputs;
    Preprocessing preprocessing;
    Decoding decoding;
    std::vector<std::string> labels;

    const char *label(int64_t index) const;  // nullptr where there is none
    std::string path(const std::string &name) const { return folder + "/" + name; }
};

// Read ev.conf in a folder, and check every file of the model: length and SHA-256. Error EV_ERROR_MODEL.
Artifact read_artifact(const std::string &folder);

}  // namespace ev
