# SPDX-License-Identifier: Apache-2.0
# Written by edgevision. Find what computes the model: sets EV_RUNTIME_LIBRARY.
if(EV_RUNTIME STREQUAL "openvino")
    find_package(OpenVINO QUIET COMPONENTS Runtime)
    if(NOT OpenVINO_FOUND)
        # OpenVINO's Python package has headers, libraries and CMake files; which of them, Python knows.
        find_program(EDGEVISION_PYTHON NAMES python3 python)
        if(EDGEVISION_PYTHON)
            execute_process(
                COMMAND ${EDGEVISION_PYTHON} -c
                    "import importlib.util as u; print(u.find_spec('openvino').submodule_search_locations[0])"
                OUTPUT_VARIABLE place OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
            find_package(OpenVINO QUIET COMPONENTS Runtime HINTS "${place}/cmake")
        endif()
    endif()
    if(NOT OpenVINO_FOUND)
        message(FATAL_ERROR
            "OpenVINO is not found. Name the folder with OpenVINOConfig.cmake: -DOpenVINO_DIR=FOLDER. "
            "With its Python package (pip install openvino) name the Python: -DEDGEVISION_PYTHON=python3, or the folder: "
            "python3 -c 'import openvino; print(openvino.__path__[0])' and /cmake behind it.")
    endif()
    message(STATUS "OpenVINO ${OpenVINO_VERSION}: ${OpenVINO_DIR}")
    set(EV_RUNTIME_LIBRARY openvino::runtime::c)
else()
    if(NOT EDGEVISION_LITERT)
        message(FATAL_ERROR
            "This model runs on LiteRT. Name the folder with its C library, libLiteRt.so of version 2.3: "
            "-DEDGEVISION_LITERT=FOLDER. The Python package ai-edge-litert has one: "
            "python3 -c 'import ai_edge_litert; print(ai_edge_litert.__path__[0])'.")
    endif()
    find_library(EV_LITERT NAMES LiteRt PATHS ${EDGEVISION_LITERT} PATH_SUFFIXES lib NO_DEFAULT_PATH NO_CACHE)
    if(NOT EV_LITERT)
        message(FATAL_ERROR "EDGEVISION_LITERT: no libLiteRt.so in ${EDGEVISION_LITERT}")
    endif()
    message(STATUS "LiteRT: ${EV_LITERT}")
    set(EV_RUNTIME_LIBRARY ${EV_LITERT})
endif()
