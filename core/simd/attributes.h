// The attributes with which loops are compiled, as macros. loop.h and pack.h include this file at
// their top and attributes_end.h, which removes every macro again, at their end. For nobody else.
//
// DESCENT_TARGET_AVX2, DESCENT_TARGET_AVX512: a function for that instruction set.
// DESCENT_LOOP: a function that holds a loop. DESCENT_IN_LOOP: a function to be inlined into one.
// DESCENT_PACKS: defined in a file whose formulas may run on packs.
// DESCENT_FLAGS: a namespace for each way of compiling a loop. Two files of one program that are
// compiled with other flags hence do not define one function in two ways.

// In a user's file g++ compiles the loops as the library's own are, so that a formula there is as
// fast as one of the library and gives the same bits. The formula itself has the file's flags: the
// two that the CMake target brings, -fno-math-errno and -fno-trapping-math, let it vectorise.
#if defined(__GNUC__) && !defined(__clang__) && !defined(DESCENT_LIBRARY)
#define DESCENT_LOOP \
  __attribute__((flatten, optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")))
#define DESCENT_IN_LOOP  // flatten inlines it
#else
#define DESCENT_LOOP
#define DESCENT_IN_LOOP [[gnu::always_inline]]
#endif

// A file that is compiled for AVX2 anyway is for one processor: there is nothing to choose.
#if defined(__x86_64__) && !defined(__AVX2__)
#define DESCENT_TARGET_AVX2 __attribute__((target("arch=x86-64-v3")))
#define DESCENT_TARGET_AVX512 __attribute__((target("arch=x86-64-v4")))
#else
#define DESCENT_TARGET_AVX2
#define DESCENT_TARGET_AVX512
#endif

// A loop keeps packs in registers. A formula that is compiled for any x86-64 and is not inlined
// into the loop would expect them in memory. A file therefore has packs only if formulas are
// inlined in it (it is optimised), or if all of it is compiled for AVX-512.
#if defined(__GNUC__) && !defined(__clang__) &&                             \
    (defined(__AVX512DQ__) ||                                               \
     (defined(__x86_64__) && !defined(__AVX2__) && defined(__OPTIMIZE__) && \
      !defined(__NO_INLINE__) && defined(__NO_MATH_ERRNO__) && defined(__NO_TRAPPING_MATH__)))
#define DESCENT_PACKS
#endif

#if defined(DESCENT_PACKS) && defined(DESCENT_LIBRARY)
#define DESCENT_FLAGS library_with_packs
#elif defined(DESCENT_PACKS)
#define DESCENT_FLAGS with_packs
#elif defined(DESCENT_LIBRARY)
#define DESCENT_FLAGS library_without_packs
#else
#define DESCENT_FLAGS without_packs
#endif
