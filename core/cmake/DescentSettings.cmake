# How everything of Descent is compiled. Flags belong to targets; nothing leaks to a host project.

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()

function(descent_compile_options target)
  # -fno-math-errno and -fno-trapping-math change no value: they let sqrt and comparisons vectorise.
  target_compile_options(${target} PRIVATE -fno-math-errno -fno-trapping-math -ffp-contract=off
    -Wall -Wextra -Wpedantic -Wshadow $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
    $<$<BOOL:${DESCENT_WARNINGS_AS_ERRORS}>:-Werror>)
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    # Where AVX-512 is chosen at run time, clang would halve its vectors: a third slower. No effect elsewhere.
    target_compile_options(${target} PRIVATE -mprefer-vector-width=512)
  endif()
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    # A host project that names no build type means no debug build: unoptimised kernels are ten times slower.
    target_compile_options(${target} PRIVATE -O3)
  endif()
  target_compile_features(${target} PRIVATE cxx_std_20)
  if(DESCENT_SANITIZE)
    target_compile_definitions(${target} PRIVATE _GLIBCXX_ASSERTIONS)
    target_compile_options(${target} PRIVATE -fsanitize=${DESCENT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${DESCENT_SANITIZE})
  endif()
endfunction()
