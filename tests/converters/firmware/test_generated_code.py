"""The C code itself: warnings, sanitizers, C++, several users at once, and what it says to wrong calls."""

import shutil
import subprocess

import numpy as np
import pytest

from edgevision.converters.firmware import firmware
from edgevision.firmware_library import FLAGS

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")


@pytest.fixture
def made(mlperf_model, tmp_path):
    return firmware(mlperf_model, tmp_path / "out", name="cam")


def run_c(folder, text, tmp_path, *flags, compiler="cc", language="c"):
    """Compile a program with the model in it, run it, and return what it prints."""
    main = tmp_path / f"main.{language}"
    main.write_text(text)
    objects = tmp_path / "cam.o"
    subprocess.run(["cc", *FLAGS, *flags, "-c", str(folder / "cam.c"), "-o", str(objects)], check=True)
    program = tmp_path / "program"
    command = [compiler, *flags, "-I", str(folder), str(main), str(objects), "-o", str(program), "-lpthread"]
    subprocess.run(command, check=True)
    return subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout


FUZZ = """
#include <stdio.h>
#include <stdlib.h>
#include "cam.h"
int main(void) {
    cam_context context;
    unsigned state = 1;
    /* Exactly as large as it has to be: the sanitizer sees a byte beyond it. */
    void *arena = malloc(CAM_ARENA_SIZE);
    if (cam_init(&context, arena, CAM_ARENA_SIZE) != CAM_OK) return 1;
    for (int round = 0; round < 12; round++) {
        int8_t *input = cam_input(&context, 0);
        for (unsigned i = 0; i < CAM_INPUT_0_SIZE; i++) {
            state = state * 1103515245u + 12345u;
            input[i] = round == 0 ? -128 : round == 1 ? 127 : round == 2 ? (int8_t)(i % 2 ? 127 : -128)
                                                                         : (int8_t)(state >> 24);
        }
        if (cam_run(&context) != CAM_OK) return 2;
    }
    free(arena);
    puts("done");
    return 0;
}
"""


def test_no_byte_is_touched_that_is_not_its_own_and_nothing_overflows(made, tmp_path):
    assert run_c(made.artifact.path, FUZZ, tmp_path, *SANITIZERS) == "done\n"


@pytest.mark.parametrize("mlperf_model", ["ad"], indirect=True)
def test_nothing_overflows_where_results_are_rounded_once(mlperf_model, tmp_path):
    made = firmware(mlperf_model, tmp_path / "out", name="cam", rounding="litert")
    assert run_c(made.artifact.path, FUZZ, tmp_path, *SANITIZERS) == "done\n"


def test_the_selftest_holds_and_notices(made, tmp_path):
    from edgevision.firmware_library import host_compiler

    folder = made.artifact.path
    sources = [str(folder / name) for name in ("cam.c", "cam_selftest.c", "examples/host_main.c")]
    program = str(tmp_path / "selftest")
    command = [*host_compiler(), *FLAGS, "-I", str(folder)]
    subprocess.run([*command, *sources, "-o", program], check=True)
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "cam: 0 vectors differ\n"
    text = (folder / "cam.c").read_text()
    spoiled = tmp_path / "spoiled.c"
    spoiled.write_text(
        text.replace("& mask) > threshold)", "& mask) >= threshold)").replace(".zero_point = ", ".zero_point = 1 + ")
    )
    subprocess.run([*command, str(spoiled), *sources[1:], "-o", program], check=True)
    assert subprocess.run([program], check=False).returncode == 1


def test_cmake_builds_it_and_runs_its_selftest(made, tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("no cmake: apt-get install cmake")
    build = str(tmp_path / "build")
    subprocess.run(["cmake", "-S", str(made.artifact.path), "-B", build], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", build], check=True, capture_output=True)
    tested = subprocess.run(["ctest", "--test-dir", build], check=True, capture_output=True, text=True)
    assert "100% tests passed" in tested.stdout


CPLUSPLUS = """
#include <cstdio>
#include "cam.h"
alignas(CAM_ARENA_ALIGNMENT) static int8_t arena[CAM_ARENA_SIZE + 4];
int main() {
    cam_context context;
    std::printf("%d ", cam_init(&context, arena, CAM_ARENA_SIZE - 1));
    std::printf("%d ", cam_run(&context));
    std::printf("%d ", cam_input(&context, 0) == nullptr);
    std::printf("%d ", cam_init(&context, arena + 1, CAM_ARENA_SIZE));
    std::printf("%d ", cam_init(nullptr, arena, CAM_ARENA_SIZE));
    std::printf("%d ", cam_init(&context, nullptr, CAM_ARENA_SIZE));
    std::printf("%d ", cam_init(&context, arena, CAM_ARENA_SIZE));
    std::printf("%d ", cam_input(&context, CAM_INPUTS) == nullptr);
    std::printf("%d ", cam_output(&context, CAM_OUTPUTS) == nullptr);
    cam_class top[2];
    std::printf("%d ", cam_classify(&context, top, 0));
    std::printf("%d ", cam_classify(&context, top, CAM_OUTPUT_0_SIZE + 1));
    std::printf("%d ", cam_classify(&context, nullptr, 1));
    std::printf("%d %d %d", cam_run(&context), cam_classify(&context, top, 2), top[0].score >= top[1].score);
    return 0;
}
"""


def test_wrong_calls_have_their_own_answers_and_cplusplus_takes_the_header(made, tmp_path):
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler: apt-get install g++")
    printed = run_c(made.artifact.path, CPLUSPLUS, tmp_path, compiler="c++", language="cpp")
    assert printed == "2 4 1 3 1 1 0 1 1 5 5 1 0 0 1"


THREADS = """
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "cam.h"
static union { uint32_t aligned; int8_t bytes[CAM_ARENA_SIZE]; } arenas[4];
static int8_t answers[4][CAM_OUTPUT_0_SIZE];
static void *work(void *which) {
    const long me = (long)which;
    cam_context context;
    if (cam_init(&context, &arenas[me], CAM_ARENA_SIZE) != CAM_OK) return which;
    for (int round = 0; round < 10; round++) {
        memset(cam_input(&context, 0), (int)(me % 2 ? 55 : -90), CAM_INPUT_0_SIZE);
        cam_run(&context);
    }
    memcpy(answers[me], cam_output(&context, 0), CAM_OUTPUT_0_SIZE);
    return NULL;
}
int main(void) {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    printf("%d ", memcmp(answers[0], answers[2], CAM_OUTPUT_0_SIZE));
    printf("%d\\n", memcmp(answers[1], answers[3], CAM_OUTPUT_0_SIZE));
    return 0;
}
"""


def test_several_users_at_once_do_not_disturb_each_other(made, tmp_path):
    assert run_c(made.artifact.path, THREADS, tmp_path) == "0 0\n"


def test_it_uses_nothing_of_the_c_library_but_two_functions(made, tmp_path):
    target = tmp_path / "cam.o"
    subprocess.run(
        [
            "cc",
            "-std=c99",
            "-O2",
            "-fno-stack-protector",
            "-fno-pic",
            "-fno-pie",
            "-c",
            str(made.artifact.path / "cam.c"),
            "-o",
            str(target),
        ],
        check=True,
    )
    symbols = subprocess.run(["nm", str(target)], check=True, capture_output=True, text=True).stdout.split("\n")
    undefined = {line.split()[-1] for line in symbols if " U " in line}
    assert undefined <= {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}
    assert not [line for line in symbols if line[17:18] in ("b", "B", "d", "D") and "labels" not in line]
    text = (made.artifact.path / "cam.c").read_text()
    assert not np.any([word in text.split() for word in ("float", "double", "malloc")])
