// Removes the macros of attributes.h.
#undef DESCENT_LOOP
#undef DESCENT_IN_LOOP
#undef DESCENT_TARGET_AVX2
#undef DESCENT_TARGET_AVX512
#undef DESCENT_PACKS
#undef DESCENT_FLAGS
