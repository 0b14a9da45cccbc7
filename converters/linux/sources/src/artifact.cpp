// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include "artifact.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <locale>
#include <map>
#include <memory>
#include <sstream>

#include "error.h"
#include "sha256.h"

namespace ev {

namespace {

constexpr int schema = 1;
constexpr size_t max_rank = 8;
constexpr int64_t max_elements = INT64_C(1) << 31;
constexpr int64_t max_index = INT32_MAX;

using Line = std::istringstream;

[[noreturn]] void damaged(const std::string &what) { throw Error(EV_ERROR_MODEL, "ev.conf is damaged: " + what); }

std::string printable(std::string text)
{
    for (char &c : text) {
        c = c > ' ' && c < 127 ? c : '?';
    }
    return text;
}

std::vector<uint8_t> read_file(const std::string &path)
{
    const std::unique_ptr<FILE, int (*)(FILE *)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file) {
        throw Error(EV_ERROR_MODEL, path + ": cannot be read: " + std::strerror(errno));
    }
    std::vector<uint8_t> bytes;
    uint8_t chunk[1 << 16];
    size_t count;
    while ((count = std::fread(chunk, 1, sizeof chunk, file.get())) > 0) {
        bytes.insert(bytes.end(), chunk, chunk + count);
    }
    if (std::ferror(file.get()) != 0) {
        throw Error(EV_ERROR_MODEL, path + ": cannot be read: " + std::strerror(errno));
    }
    return bytes;
}

template <typename T>
T take(Line &line, const char *what)
{
    T value{};
    if (!(line >> value)) {
        damaged(std::string("a missing or wrong ") + what);
    }
    return value;
}

std::string rest(Line &line)
{
    std::string text;
    std::getline(line >> std::ws, text);
    return text;
}

Spec spec_of(Line &line)
{
    Spec spec;
    spec.dtype = dtype_of(take<std::string>(line, "dtype"));
    const size_t rank = take<size_t>(line, "rank");
    if (rank > max_rank) {
        damaged("a rank of " + std::to_string(rank));
    }
    int64_t room = max_elements;
    for (size_t i = 0; i < rank; i++) {
        const int64_t length = take<int64_t>(line, "length");
        if (length < -1 || length > room) {
            damaged("a length of " + std::to_string(length));
        }
        room /= std::max<int64_t>(1, length);
        spec.shape.push_back(length);
    }
    spec.quantized = take<int>(line, "quantization") != 0;
    spec.scale = take<double>(line, "scale");
    spec.zero_point = take<int64_t>(line, "zero point");
    spec.name = rest(line);
    return spec;
}

File file_of(Line &line)
{
    File file;
    file.bytes = take<size_t>(line, "length of a file");
    file.sha256 = take<std::string>(line, "SHA-256");
    file.name = rest(line);
    if (file.name.empty() || file.name[0] == '/' || file.name.find("..") != std::string::npos) {
        damaged("a file name that leaves the folder: got " + file.name);
    }
    return file;
}

Preprocessing preprocessing_of(Line &line)
{
    Preprocessing made;
    made.height = take<uint32_t>(line, "height");
    made.width = take<uint32_t>(line, "width");
    made.resize = take<std::string>(line, "resize");
    made.filter = take<std::string>(line, "filter");
    made.color = take<std::string>(line, "color");
    const int pad_value = take<int>(line, "pad value");
    if (made.height < 1 || made.height > EV_MAX_SIDE || made.width < 1 || made.width > EV_MAX_SIDE || pad_value < 0
        || pad_value > 255) {
        damaged("an input of " + std::to_string(made.height) + "x" + std::to_string(made.width));
    }
    made.pad_value = static_cast<uint8_t>(pad_value);
    return made;
}

void read_decoding(Decoding &made, Line &line)
{
    made.decoder = take<std::string>(line, "decoder");
    made.score_threshold = static_cast<float>(take<double>(line, "score threshold"));
    made.iou_threshold = static_cast<float>(take<double>(line, "overlap threshold"));
    made.class_agnostic = take<int>(line, "class_agnostic") != 0;
    made.max_detections = take<size_t>(line, "max_detections");
    made.sigmoid = take<int>(line, "sigmoid") != 0;
    made.normalized = take<int>(line, "normalized") != 0;
}

Level level_of(Line &line)
{
    Level level;
    for (size_t *field : {&level.output, &level.first, &level.row_step, &level.column_step, &level.rows, &level.columns,
                          &level.grid_width}) {
        *field = take<size_t>(line, "level");
    }
    level.stride = static_cast<float>(take<double>(line, "stride"));
    return level;
}

// Word at the beginning of a line -> what reads the rest of it.
std::map<std::string, std::function<void(Line &)>> readers(Artifact &made)
{
    return {
        {"edgevision", [](Line &line) {
             if (take<int>(line, "schema") != schema) {
                 damaged("another schema than " + std::to_string(schema) + ": build the project that is beside the model");
             }
         }},
        {"runtime", [&](Line &line) { made.runtime = take<std::string>(line, "runtime"); }},
        {"property", [&](Line &line) {
             const std::string name = take<std::string>(line, "property");
             made.properties.emplace_back(name, rest(line));
         }},
        {"model", [&](Line &line) { made.model = rest(line); }},
        {"file", [&](Line &line) { made.files.push_back(file_of(line)); }},
        {"task", [&](Line &line) { made.task = take<std::string>(line, "task"); }},
        {"activation", [&](Line &line) { made.activation = take<std::string>(line, "activation"); }},
        {"layout", [&](Line &line) { made.layout = take<std::string>(line, "layout"); }},
        {"input", [&](Line &line) { made.input = spec_of(line); }},
        {"output", [&](Line &line) { made.outputs.push_back(spec_of(line)); }},
        {"preprocessing", [&](Line &line) { made.preprocessing = preprocessing_of(line); }},
        {"decoding", [&](Line &line) { read_decoding(made.decoding, line); }},
        {"level", [&](Line &line) { made.decoding.levels.push_back(level_of(line)); }},
        {"postprocess", [&](Line &line) {
             for (int i = 0; i < 4; i++) {
                 made.decoding.places.push_back(take<size_t>(line, "place"));
             }
             made.decoding.first_class = take<int64_t>(line, "first class");
             if (made.decoding.first_class < -max_index || made.decoding.first_class > max_index) {
                 damaged("a first class of " + std::to_string(made.decoding.first_class));
             }
         }},
        {"label", [&](Line &line) { made.labels.push_back(rest(line)); }},
        {"sha256", [](Line &) {}},  // the last line: see check_sum
    };
}

// The last line is the SHA-256 of all the others.
void check_sum(const std::vector<uint8_t> &text)
{
    const std::string word = "sha256 ";
    const size_t length = word.size() + 64 + 1;
    if (text.size() < length || !std::equal(word.begin(), word.end(), text.end() - static_cast<std::ptrdiff_t>(length))) {
        damaged("its end is missing: copy it once more");
    }
    const std::vector<uint8_t> before(text.begin(), text.end() - static_cast<std::ptrdiff_t>(length));
    const std::string last = word + sha256(before) + "\n";
    if (!std::equal(last.begin(), last.end(), text.end() - static_cast<std::ptrdiff_t>(length))) {
        damaged("its SHA-256 is not the one of its last line: copy it once more, or write the project anew");
    }
}

// Whether all rows lie in an output of so many elements, as many as a tensor may have at the most.
bool inside(const Level &level, uint64_t elements, size_t least_columns)
{
    for (const size_t number : {level.first, level.row_step, level.column_step, level.rows, level.columns}) {
        if (number > elements) {
            return false;
        }
    }
    return level.rows >= 1 && level.columns >= least_columns
           && level.first + static_cast<uint64_t>(level.rows - 1) * level.row_step
                      + static_cast<uint64_t>(level.columns - 1) * level.column_step
                  < elements;
}

// A wrong number may not become a wrong address.
void check_decoding(const Artifact &made)
{
    const Decoding &decoding = made.decoding;
    const bool listed = decoding.decoder == "tflite_detection_postprocess", objectness = decoding.decoder != "yolov8";
    if (listed ? decoding.places.size() != 4 : decoding.levels.empty()) {
        damaged("a detector without its rows");
    }
    for (const Level &level : decoding.levels) {
        if (level.output >= made.outputs.size()
            || !inside(level, elements(made.outputs[level.output].shape), objectness ? 6 : 5)) {
            damaged("a level that leaves its output");
        }
    }
    for (const size_t place : decoding.places) {
        if (place >= made.outputs.size()) {
            damaged("an output that does not exist");
        }
    }
}

// Whether the input has the height, width and channels of the preprocessing, and one of everything else.
bool same_input(const Artifact &made)
{
    const Preprocessing &wanted = made.preprocessing;
    const std::pair<char, size_t> axes[] = {{'H', wanted.height}, {'W', wanted.width}, {'C', wanted.channels()}};
    size_t product = 1;
    for (const auto &[axis, length] : axes) {
        const size_t place = made.layout.find(axis);
        if (place >= made.input.shape.size() || made.input.shape[place] != static_cast<int64_t>(length)) {
            return false;
        }
        product *= length;
    }
    return made.layout.size() == made.input.shape.size() && elements(made.input.shape) == product;
}

void check(const Artifact &made)
{
    const Preprocessing &wanted = made.preprocessing;
    if (made.runtime.empty() || made.model.empty() || made.outputs.empty() || !same_input(made)
        || wanted.table.size() != wanted.channels() * 256 * item_bytes(made.input.dtype)) {
        damaged("its parts contradict each other");
    }
    if (made.task == "detection") {
        check_decoding(made);
    } else if (made.task != "classification") {
        damaged("an unknown task: got " + made.task);
    }
}

}  // namespace

const char *Artifact::label(int64_t index) const
{
    return index >= 0 && static_cast<size_t>(index) < labels.size() ? labels[static_cast<size_t>(index)].c_str() : nullptr;
}

Artifact read_artifact(const std::string &folder)
{
    Artifact made;
    made.folder = folder;
    const std::vector<uint8_t> text = read_file(made.path("ev.conf"));
    std::istringstream lines(std::string(text.begin(), text.end()));
    const auto known = readers(made);
    for (std::string row; std::getline(lines, row);) {
        Line line(row);
        line.imbue(std::locale::classic());
        std::string word;
        line >> word;
        const auto reader = known.find(word);
        if (reader == known.end()) {
            damaged("an unknown word: got " + printable(word.substr(0, 40)));
        }
        reader->second(line);
    }
    check_sum(text);
    for (const File &file : made.files) {
        const std::vector<uint8_t> bytes = read_file(made.path(file.name));
        const std::string found = sha256(bytes);
        if (bytes.size() != file.bytes || found != file.sha256) {
            throw Error(EV_ERROR_MODEL, made.path(file.name) + ": damaged, or of another model: got "
                                            + std::to_string(bytes.size()) + " bytes, SHA-256 " + found.substr(0, 12)
                                            + "…; allowed: " + std::to_string(file.bytes) + " bytes, "
                                            + file.sha256.substr(0, 12) + "…");
        }
        if (file.name == "input.table") {
            made.preprocessing.table = bytes;
        }
    }
    check(made);
    return made;
}

}  // namespace ev
