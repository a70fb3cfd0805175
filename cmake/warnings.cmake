# Warnings are errors in the project's own code; `holdfast_options` carries them and the sanitizers.
add_library(holdfast_options INTERFACE)
target_compile_options(holdfast_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
    -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wformat=2 -Wimplicit-fallthrough
    -Wswitch-enum -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False positives of GCC 12 on inlined std::string operations (GCC bug 105651).
    target_compile_options(holdfast_options INTERFACE -Wno-restrict)
endif()
target_compile_definitions(holdfast_options INTERFACE
    _FILE_OFFSET_BITS=64 $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
target_compile_options(holdfast_options INTERFACE -fstack-protector-strong)
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    # Every processor since about 2009; faster code is chosen at run time.
    target_compile_options(holdfast_options INTERFACE -march=x86-64-v2)
endif()
if(HOLDFAST_SANITIZE)
    add_compile_options(-fsanitize=${HOLDFAST_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${HOLDFAST_SANITIZE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # Instrumented moves of variants look uninitialised to GCC 12; the sanitizers themselves tell.
        target_compile_options(holdfast_options INTERFACE -Wno-maybe-uninitialized)
    endif()
endif()
if(HOLDFAST_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
