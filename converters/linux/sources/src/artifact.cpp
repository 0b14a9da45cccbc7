// SPDX-License-Identifier: Apache-2.0
// Written by edgevision; do not edit.
#include "artifact.h"

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
    for (size_t i = 0; i < rank; i++) {
        const int64_t length = take<int64_t>(line, "length");
        if (length < -1 || length > (INT64_C(1) << 31)) {
            damaged("a length of " + std::to_string(length));
        }
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
         }},
        {"label", [&](Line &line) { made.labels.push_back(rest(line)); }},
    };
}

// A wrong number may not become a wrong address.
void check_decoding(const Artifact &made)
{
    for (const Level &level : made.decoding.levels) {
        if (level.output >= made.outputs.size() || level.rows < 1 || level.columns < 5
            || level.first + (level.rows - 1) * level.row_step + (level.columns - 1) * level.column_step
                   >= elements(made.outputs[level.output].shape)) {
            damaged("a level that leaves its output");
        }
    }
    for (const size_t place : made.decoding.places) {
        if (place >= made.outputs.size()) {
            damaged("an output that does not exist");
        }
    }
}

void check(const Artifact &made)
{
    const Preprocessing &wanted = made.preprocessing;
    size_t product = wanted.channels() * wanted.height * wanted.width;
    if (made.runtime.empty() || made.model.empty() || made.outputs.empty() || wanted.height == 0
        || elements(made.input.shape) != product || made.layout.size() != made.input.shape.size()
        || wanted.table.size() != wanted.channels() * 256 * item_bytes(made.input.dtype)) {
        damaged("its end is missing, or its parts contradict each other");
    }
    for (const char axis : std::string("HWC")) {
        if (made.layout.find(axis) == std::string::npos) {
            damaged("layout " + made.layout);
        }
    }
    check_decoding(made);
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
