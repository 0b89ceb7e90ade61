// The floating-point mode of a thread: denormal numbers, rounding, and traps.
//
// A program may have asked for a signal when a floating-point operation is invalid, divides by zero
// or overflows (feenableexcept), or for another direction of rounding (fesetround). Descent's
// kernels meet infinities on purpose. While a PlainFloating object lives, its thread rounds to
// nearest and no operation raises a signal. Every kernel runs under one. The destructor puts back
// the program's mode and flags. Numbers that are no tensors, such as the factor 1/n of a mean, are
// computed in the program's own direction of rounding.
//
// If a network is trained to a loss near zero, its gradients and moments become denormal numbers.
// Arithmetic on denormal numbers is about ten times slower. While a FlushDenormals object lives,
// its thread treats denormal numbers as zero. The tasks that this thread starts with parallel_for()
// do the same. The destructor puts back the setting that the thread had before.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif
#include <utility>

namespace descent::detail {

/// The calling thread's floating-point control word. Returns 0 on a processor that has no such
/// word.
inline unsigned floating_mode() noexcept {
#if defined(__SSE2__)
  return _mm_getcsr();
#else
  return 0;
#endif
}

/// Sets the thread's floating-point control word. The destructor puts back the earlier word.
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

 protected:
  unsigned before_;
};

/// While a PlainFloating object lives, its thread rounds to nearest, and no floating-point
/// operation raises a signal. Denormal numbers are treated as before. In a program that has the
/// usual mode, an object only reads the control word.
class PlainFloating {
 public:
  PlainFloating() noexcept : before_(floating_mode()) {
#if defined(__SSE2__)
    if (!is_plain()) [[unlikely]]
      _mm_setcsr((before_ & ~kRounding) | kNoTraps);
#endif
  }
  ~PlainFloating() {
#if defined(__SSE2__)
    if (!is_plain()) [[unlikely]]
      _mm_setcsr(before_);
#endif
  }
  PlainFloating(const PlainFloating&) = delete;
  PlainFloating& operator=(const PlainFloating&) = delete;

 private:
  static constexpr unsigned kNoTraps = 0x1f80, kRounding = 0x6000;
  bool is_plain() const { return (before_ & (kNoTraps | kRounding)) == kNoTraps; }
  unsigned before_;
};

/// The mode of the caller, where Descent has set another mode on this thread; otherwise null.
inline constinit thread_local const unsigned* t_callers_mode = nullptr;

/// While a FlushDenormals object lives, its thread treats denormal numbers as zero. Code of the
/// user that runs meanwhile stands inside a CallersMode.
struct FlushDenormals : FloatingMode {
  static constexpr unsigned kFlushToZero = 0x8000, kDenormalsAreZero = 0x0040;
  FlushDenormals() noexcept : FloatingMode(floating_mode() | kFlushToZero | kDenormalsAreZero) {
    if (!t_callers_mode) t_callers_mode = &before_;
  }
  ~FlushDenormals() {
    if (t_callers_mode == &before_) t_callers_mode = nullptr;
  }
  /// Turns flushing on or off for this thread. If the call is inside the life of a FloatingMode
  /// object, the object's destructor puts back the earlier setting.
  static void set([[maybe_unused]] bool on) noexcept {
#if defined(__SSE2__)
    const unsigned rest = floating_mode() & ~(kFlushToZero | kDenormalsAreZero);
    _mm_setcsr(on ? rest | kFlushToZero | kDenormalsAreZero : rest);
#endif
  }
};

/// While a CallersMode object lives, its thread computes as it did before the outermost
/// FlushDenormals. Hooks and other code of the user run in this way.
class CallersMode : FloatingMode {
 public:
  CallersMode() noexcept
      : FloatingMode(t_callers_mode ? *t_callers_mode : floating_mode()),
        outer_(std::exchange(t_callers_mode, nullptr)) {}
  ~CallersMode() { t_callers_mode = outer_; }

 private:
  const unsigned* outer_;
};

}  // namespace descent::detail
