"""Camera frames under AddressSanitizer and UBSan, from C and C++: random, extreme and nonsensical ones."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from edgevision.adopt import adopt
from edgevision.converters.firmware import firmware
from edgevision.firmware_library import FLAGS, host_compiler
from edgevision.golden import Golden

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")

# Planes are exactly as long as they say, and the arena as it has to be: the sanitizer sees a byte beyond them.
FUZZ = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cam_io.h"

static unsigned state = 7;
static unsigned draw(unsigned below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}
static const unsigned SIDES[] = {0, 1, 2, 3, 19, 20, 21, 64, 95, 320, 65535, 65536, 0x7FFFFFFFu, 0xFFFFFFFFu};
static unsigned side(void) { return draw(3) ? 1 + draw(70) : SIDES[draw(14)]; }
static size_t skewed(size_t value) {
    static const size_t WILD[] = {0, 1, (size_t)-1, (size_t)1 << 31, (size_t)1 << 63};
    return draw(8) ? value : draw(2) ? WILD[draw(5)] : value + draw(5) - 2;
}
int main(void) {
    cam_context context;
    void *arena = malloc(CAM_ARENA_SIZE);
    unsigned seen[12] = {0};
    if (cam_init(&context, arena, CAM_ARENA_SIZE) != CAM_OK) return 1;
    for (int round = 0; round < ROUNDS; round++) {
        cam_frame frame;
        uint8_t *kept[2];
        const unsigned width = side(), height = side();
        memset(&frame, 0, sizeof frame);
        frame.format = (cam_format)(draw(20) ? 1 + draw(5) : draw(9));
        frame.encoding = (cam_encoding)(draw(10) ? 1 + draw(4) : draw(9));
        frame.width = width;
        frame.height = height;
        for (int k = 0; k < 2; k++) {
            const size_t pixel[6] = {1, 1, 2, 3, 2, 1};
            const int half = k == 1;
            const size_t rows = half ? ((size_t)height + 1) / 2 : height;
            const size_t row = half ? 2 * (((size_t)width + 1) / 2) : pixel[(unsigned)frame.format % 6] * (size_t)width;
            const size_t stride = skewed(row + (draw(2) ? draw(9) : 0));
            size_t bytes = rows ? (rows - 1) * stride + row : 0;
            if (bytes > (1u << 22)) bytes = draw(4096);
            bytes = draw(10) ? bytes : draw(bytes > 4096 ? 4096 : (unsigned)bytes + 1);
            kept[k] = malloc(bytes ? bytes : 1);
            memset(kept[k], (int)draw(256), bytes ? bytes : 1);
            frame.planes[k].data = draw(50) ? (bytes ? kept[k] : kept[k] + 1) : NULL;
            frame.planes[k].bytes = bytes;
            frame.planes[k].stride = stride;
        }
        if (draw(3) == 0) (void)cam_crop(&frame, draw(80), draw(80), draw(80), side());
        if (draw(9) == 0) (void)cam_crop(&frame, side(), side(), side(), side());
        const cam_status status = cam_preprocess(&context, &frame);
        seen[status]++;
        if (status == CAM_OK && draw(20) == 0 && cam_run(&context) != CAM_OK) return 2;
        free(kept[0]);
        free(kept[1]);
    }
    free(arena);
    for (int i = 0; i < 12; i++) printf("%u ", seen[i]);
    return 0;
}
"""


def run_c(folder, text, tmp_path, *flags, compiler=None, language="c"):
    """Compile the model and the frames' code as C, a program with them, and return what it prints."""
    main, program = tmp_path / f"main.{language}", tmp_path / "program"
    main.write_text(text)
    objects = []
    for name in ("cam", "cam_io"):
        objects.append(str(tmp_path / f"{name}.o"))
        command = [*host_compiler(), *FLAGS, "-pedantic", *flags, "-c", str(folder / f"{name}.c"), "-o", objects[-1]]
        subprocess.run(command, check=True)
    command = [*(compiler or host_compiler()), *flags, "-Wall", "-Wextra", "-Werror", "-I", str(folder)]
    subprocess.run([*command, str(main), *objects, "-o", str(program), "-lpthread"], check=True)
    return subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("resize", "filter_"),
    [
        ("stretch", "nearest"),
        ("letterbox", "linear_fixed"),
        ("center_crop", "linear_fixed"),
        ("center_crop", "nearest"),
    ],
)
def test_no_frame_makes_it_touch_what_is_not_its_own(camera, tmp_path, resize, filter_):
    folder = camera({"resize": resize, "filter": filter_}).made.artifact.path
    seen = run_c(folder, FUZZ, tmp_path, *SANITIZERS, "-DROUNDS=6000").split()
    assert all(int(seen[status]) > 5 for status in (0, 1, 7, 8, 9, 10, 11)), seen
    assert sum(map(int, seen)) == 6000


CPLUSPLUS = """
#include <cstdio>
#include "cam_io.h"
alignas(CAM_ARENA_ALIGNMENT) static int8_t arena[CAM_ARENA_SIZE];
static uint8_t pixels[40 * 30 * 2];
int main() {
    cam_context context;
    cam_frame frame = {CAM_YUYV, CAM_BT601_FULL, 40, 30, {{pixels, sizeof pixels, 80}, {nullptr, 0, 0}}};
    std::printf("%d ", cam_init(&context, arena, sizeof arena));
    std::printf("%d ", cam_crop(&frame, 10, 5, 20, 20));
    std::printf("%d ", cam_preprocess(&context, &frame));
    cam_class best;
    std::printf("%d %d %s", cam_run(&context), cam_classify(&context, &best, 1), cam_labels[best.index] ? "named" : "");
    return 0;
}
"""

THREADS = """
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "cam_io.h"
static union { uint32_t aligned; int8_t bytes[CAM_ARENA_SIZE]; } arenas[4];
static int8_t inputs[4][CAM_INPUT_0_SIZE];
static uint8_t pictures[2][40 * 30 * 3];
static void *work(void *which) {
    const long me = (long)which;
    cam_context context;
    const cam_plane picture = {pictures[me % 2], sizeof pictures[0], 120}, none = {NULL, 0, 0};
    const cam_frame frame = {CAM_RGB888, CAM_ENCODING_NONE, 40, 30, {picture, none}};
    if (cam_init(&context, &arenas[me], CAM_ARENA_SIZE) != CAM_OK) return which;
    for (int round = 0; round < 300; round++) cam_preprocess(&context, &frame);
    memcpy(inputs[me], cam_input(&context, 0), CAM_INPUT_0_SIZE);
    return NULL;
}
int main(void) {
    pthread_t threads[4];
    for (unsigned i = 0; i < sizeof pictures; i++) (&pictures[0][0])[i] = (uint8_t)(i * i / 7);
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    printf("%d %d %d", memcmp(inputs[0], inputs[2], sizeof inputs[0]), memcmp(inputs[1], inputs[3], sizeof inputs[0]),
           memcmp(inputs[0], inputs[1], sizeof inputs[0]) != 0);
    return 0;
}
"""


def test_it_is_c_for_cplusplus_and_for_several_users_at_once(camera, tmp_path):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler: apt-get install g++")
    folder = camera().made.artifact.path
    assert run_c(folder, CPLUSPLUS, tmp_path, compiler=["c++", "-std=c++11"], language="cpp") == "0 0 0 0 0 named"
    assert run_c(folder, THREADS, tmp_path) == "0 0 1"


def test_it_needs_nothing_and_keeps_nothing(camera, tmp_path):
    folder, target = camera().made.artifact.path, tmp_path / "cam_io.o"
    flags = ["-std=c99", "-O2", "-fno-stack-protector", "-fno-pic", "-fno-pie", "-c"]
    subprocess.run([*host_compiler(), *flags, str(folder / "cam_io.c"), "-o", str(target)], check=True)
    symbols = subprocess.run(["nm", str(target)], check=True, capture_output=True, text=True).stdout.splitlines()
    assert {line.split()[-1] for line in symbols if " U " in line} <= {"cam_input", "memcpy", "memset"}
    assert not [line for line in symbols if line[17:18] in ("b", "B", "d", "D")]
    words = (folder / "cam_io.c").read_text().split()
    assert not {"float", "double", "malloc"} & set(words)


SELFTEST = ("cam.c", "cam_io.c", "cam_selftest.c", "examples/host_main.c")


def test_the_selftest_has_a_frame_of_each_format_and_notices(camera, tmp_path):
    folder, program = camera({"resize": "letterbox", "mean": (3.0,)}).made.artifact.path, str(tmp_path / "selftest")
    command = [*host_compiler(), *FLAGS, "-pedantic", "-I", str(folder)]

    def failures(spoil=None):
        sources = [folder / name for name in SELFTEST]
        if spoil is not None:
            text = sources[1].read_text()
            assert spoil[0] in text
            sources[1] = tmp_path / "spoiled.c"
            sources[1].write_text(text.replace(*spoil))
        subprocess.run([*command, *map(str, sources), "-o", program], check=True)
        done = subprocess.run([program], capture_output=True, text=True, check=False)
        return int(done.stdout.split()[1]), done.returncode

    assert failures() == (0, 0)
    assert failures(("+ 32768U) >> 16U", "+ 32767U) >> 16U")) == (5, 1)
    assert failures(("(green << 2U) | (green >> 4U)", "(green << 2U)")) == (1, 1)
    assert failures(("luma, pair[0], pair[1]", "luma, pair[1], pair[0]")) == (1, 1)


def test_golden_images_of_the_artifact_are_among_the_vectors(camera, small_model, tmp_path):
    images = tuple(np.full((24, 20, 3), value, np.uint8) for value in (77, 99))
    golden = Golden(images, (None, None), ("a", "b"))
    source = adopt(small_model(3), tmp_path / "golden", preprocessing={"filter": "linear_fixed"}).update(golden=golden)
    text = (firmware(source, tmp_path / "out", name="cam").artifact.path / "cam_selftest.c").read_text()
    vectors = text.split("vector_inputs[", 1)[1].split("{", 1)[1].split("}", 1)[0].replace("\n", " ")
    values = np.array([int(part) for part in vectors.split(",") if part.strip()], np.int8).reshape(4, -1)
    bound = source.manifest.preprocessing.bind(source.manifest.inputs[0])
    for row, image in zip(values[2:], images, strict=True):
        np.testing.assert_array_equal(row, bound(image)[0].reshape(-1))


def test_the_example_of_the_page_runs(camera, repository, tmp_path):
    (example,) = re.findall(r"```c\n(.*?)```", (repository / "docs/firmware.md").read_text(encoding="utf-8"), re.DOTALL)
    main = """
#include <stdio.h>
int main(void) {
    static uint8_t pixels[240 * 640];
    printf("%d %d", (int)class_of(pixels, sizeof pixels) >= 0, (int)class_of(pixels, sizeof pixels - 1));
    return 0;
}
"""
    assert run_c(camera().made.artifact.path, example + main, tmp_path, "-std=c99") == "1 -1"
