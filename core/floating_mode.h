// Denormal numbers, and the mode in which the processor treats them as zero.
//
// A network that is trained to a loss near zero fills gradients and moments with denormal numbers,
// on which arithmetic is ten times slower. While a FlushDenormals lives, its thread, and the tasks
// that parallel_for() starts from it, treat such numbers as zero. Afterwards the host's setting is
// back.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace descent::detail {

/// The calling thread's floating-point control word; 0 on a processor without one.
inline unsigned floating_mode() noexcept {
#if defined(__SSE2__)
  return _mm_getcsr();
#else
  return 0;
#endif
}

/// Sets the thread's floating-point control word, and puts back what it found.
class FloatingMode {
 public:
  explicit FloatingMode([[maybe_unused]] unsigned mode) noexcept : before_(floating_mode()) {
#if defined(__SSE2__)
    if (mode != before_) _mm_setcsr(mode);
#endif
  }
  ~FloatingMode() {
#if defined(__SSE2__)
    if (floating_mode() != before_) _mm_setcsr(before_);
#endif
  }
  FloatingMode(const FloatingMode&) = delete;
  FloatingMode& operator=(const FloatingMode&) = delete;

 private:
  unsigned before_;
};

/// While one lives, the thread treats denormal numbers as zero.
struct FlushDenormals : FloatingMode {
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  FlushDenormals() noexcept : FloatingMode(floating_mode() | kFlushToZero | kDenormalsAreZero) {}
  /// Turns flushing on or off for this thread, until a FloatingMode around it puts it back.
  static void set([[maybe_unused]] bool on) noexcept {
#if defined(__SSE2__)
    const unsigned rest = floating_mode() & ~(kFlushToZero | kDenormalsAreZero);
    _mm_setcsr(on ? rest | kFlushToZero | kDenormalsAreZero : rest);
#endif
  }
};

}  // namespace descent::detail
