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
#include <cstdint>
#include <utility>

namespace descent::detail {

// The thread's floating-point control word: MXCSR on x86, FPCR on aarch64, elsewhere none.
#if defined(__SSE2__)
inline unsigned floating_mode() noexcept { return _mm_getcsr(); }
inline void set_floating_mode(unsigned mode) noexcept { _mm_setcsr(mode); }
inline constexpr unsigned kFlush = 0x8040;  // denormal results and operands are 0
inline constexpr unsigned kRoundAndTrap = 0x7f80, kPlain = 0x1f80;  // to nearest, each trap masked
#elif defined(__aarch64__)
inline unsigned floating_mode() noexcept {
  std::uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return static_cast<unsigned>(mode);
}
inline void set_floating_mode(unsigned mode) noexcept {
  asm volatile("msr fpcr, %0" : : "r"(std::uint64_t{mode}) : "memory");
}
inline constexpr unsigned kFlush = 1U << 24;
inline constexpr unsigned kRoundAndTrap = 0xc09f00, kPlain = 0;  // to nearest, no trap enabled
#else
inline unsigned floating_mode() noexcept { return 0; }
inline void set_floating_mode(unsigned) noexcept {}
inline constexpr unsigned kFlush = 0, kRoundAndTrap = 0, kPlain = 0;
#endif

/// Sets the thread's floating-point control word. The destructor puts back the earlier word.
class FloatingMode {
 public:
  explicit FloatingMode(unsigned mode) noexcept : before_(floating_mode()) {
    if (mode != before_) set_floating_mode(mode);
  }
  ~FloatingMode() {
    if (floating_mode() != before_) set_floating_mode(before_);
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
    if (!is_plain()) [[unlikely]]
      set_floating_mode((before_ & ~kRoundAndTrap) | kPlain);
  }
  ~PlainFloating() {
    if (!is_plain()) [[unlikely]]
      set_floating_mode(before_);
  }
  PlainFloating(const PlainFloating&) = delete;
  PlainFloating& operator=(const PlainFloating&) = delete;

 private:
  bool is_plain() const { return (before_ & kRoundAndTrap) == kPlain; }
  unsigned before_;
};

/// The mode of the caller, where Descent has set another mode on this thread; otherwise null.
inline constinit thread_local const unsigned* t_callers_mode = nullptr;

/// While a FlushDenormals object lives, its thread treats denormal numbers as zero. Code of the
/// user that runs meanwhile stands inside a CallersMode.
struct FlushDenormals : FloatingMode {
  FlushDenormals() noexcept : FloatingMode(floating_mode() | kFlush) {
    if (!t_callers_mode) t_callers_mode = &before_;
  }
  ~FlushDenormals() {
    if (t_callers_mode == &before_) t_callers_mode = nullptr;
  }
  /// Turns flushing on or off for this thread. If the call is inside the life of a FloatingMode
  /// object, the object's destructor puts back the earlier setting.
  static void set(bool on) noexcept {
    const unsigned rest = floating_mode() & ~kFlush;
    set_floating_mode(on ? rest | kFlush : rest);
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
