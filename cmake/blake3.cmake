# The official BLAKE3 C and assembly sources, as Debian ships them in librust-blake3-dev.
file(GLOB BLAKE3_CANDIDATES /usr/share/cargo/registry/blake3-*/c)
list(GET BLAKE3_CANDIDATES -1 BLAKE3_DIR)
if(NOT EXISTS ${BLAKE3_DIR}/blake3.c)
    message(FATAL_ERROR "BLAKE3 sources not found: install librust-blake3-dev (tools/install-deps.sh build)")
endif()
set(BLAKE3_SOURCES ${BLAKE3_DIR}/blake3.c ${BLAKE3_DIR}/blake3_dispatch.c ${BLAKE3_DIR}/blake3_portable.c)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    list(APPEND BLAKE3_SOURCES
        ${BLAKE3_DIR}/blake3_sse2_x86-64_unix.S ${BLAKE3_DIR}/blake3_sse41_x86-64_unix.S
        ${BLAKE3_DIR}/blake3_avx2_x86-64_unix.S ${BLAKE3_DIR}/blake3_avx512_x86-64_unix.S)
elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
    list(APPEND BLAKE3_SOURCES ${BLAKE3_DIR}/blake3_neon.c)
endif()
add_library(blake3 STATIC ${BLAKE3_SOURCES})
target_include_directories(blake3 SYSTEM PUBLIC ${BLAKE3_DIR})
